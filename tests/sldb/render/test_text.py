"""The folding of lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.render.text import fold, width

WORDS = st.lists(st.text("abé漢", min_size=1, max_size=9), max_size=12)


@given(WORDS, st.integers(0, 6), st.integers(1, 40))
def test_a_line_is_broken_between_words_and_keeps_its_indentation(words: list[str], indent: int, columns: int) -> None:
    pieces = fold(" " * indent + " ".join(words), columns).split("\n")
    assert all(piece.startswith(" " * indent) for piece in pieces)
    found = [piece[indent:] for piece in pieces]
    assert " ".join(found) == " ".join(words)
    assert all(width(piece) <= columns or " " not in piece[indent:] for piece in pieces)


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("  then: one two", "  then:\n  one two"),
        ("now:  1110", "now:  1110"),
        ("", ""),
        ("a-long-word-alone", "a-long-word-alone"),
    ],
)
def test_examples(line: str, folded: str) -> None:
    assert fold(line, 10) == folded
