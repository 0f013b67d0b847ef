"""The words that a mistyped one may stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.shared.did_you_mean import closest
from sldb.did_you_mean import suggestion

FORMATS = ("table", "json", "jsonl", "csv", "tsv")


def test_a_word_like_known_ones_suggests_them() -> None:
    assert suggestion("jsno", FORMATS) == "did you mean json or jsonl?"
    assert suggestion("CVS", FORMATS) == "did you mean csv?"
    assert suggestion("xyzzy", FORMATS) == ""
    assert suggestion("json", []) == ""


@given(st.text(), st.lists(st.text()))
def test_only_known_words_are_suggested_and_at_most_three(word: str, known: list[str]) -> None:
    found = closest(word, known)
    assert set(found) <= set(known)
    assert len(found) <= 3
    assert word not in known or any(each.casefold() == word.casefold() for each in found)
