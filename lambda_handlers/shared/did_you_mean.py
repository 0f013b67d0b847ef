"""The words that a mistyped one may stand for."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_WORDS = 3


def closest(word: str, known: Iterable[str]) -> list[str]:
    """Return the known words like `word`, the most similar first; case is ignored."""
    from difflib import get_close_matches

    by_folded = {each.casefold(): each for each in known}
    return [by_folded[each] for each in get_close_matches(word.casefold(), by_folded, n=_MAX_WORDS)]


def question(words: Iterable[str]) -> str:
    """Return the question for words to choose from, or "" without any."""
    named = " or ".join(words)
    return f"did you mean {named}?" if named else ""
