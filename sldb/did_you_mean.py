"""Hints with the words that a mistyped one may stand for."""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.shared.did_you_mean import closest, question


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return "did you mean csv or tsv?", or "" if no known word is like `word`."""
    return question(closest(word, known))


def with_suggestion(word: str, known: Iterable[str], hint: str) -> str:
    """Return a hint, after the suggestion if there is one: "did you mean csv? a format is one of …"."""
    return " ".join(filter(None, (suggestion(word, known), hint)))
