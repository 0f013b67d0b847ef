"""Texts made shorter: never wider than asked, never cut inside of a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from lambda_handlers.wire import Value
from sldb.render.shortening import beginning, fold, shorten
from sldb.render.text import escape, width
from tests.sldb.render.test_text import CELLS

SHOWN = st.lists(CELLS, max_size=8).map(lambda cells: escape(" ".join(cells)))


@given(SHOWN, st.integers(0, 30))
def test_a_beginning_is_the_longest_that_fits(shown: str, columns: int) -> None:
    found = beginning(shown, columns)
    assert shown.startswith(found)
    assert width(found) <= columns
    rest = list(iter_graphemes(shown[len(found) :]))
    assert not rest or width(found + rest[0]) > columns


@given(SHOWN, st.integers(1, 60), st.integers(0, 80))
def test_a_shortened_cell_fits(shown: str, columns: int, note_from: int) -> None:
    found = shorten(shown, shown, columns, note_from)
    assert width(found) <= columns
    assert found == shown if width(shown) <= columns else "…" in found


@given(SHOWN, st.integers(2, 60))
def test_folded_lines_fit_and_have_all_of_the_text(shown: str, columns: int) -> None:
    lines = fold(shown, columns)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")
    assert all(width(line) <= columns for line in lines)


@pytest.mark.parametrize(
    ("value", "columns", "note_from", "want"),
    [
        ("abcdef", 6, 0, "abcdef"),
        ("abcdef", 5, 80, "abcd…"),
        ("abcdef", 1, 0, "…"),
        ("a" * 100, 30, 80, "a" * 12 + "… (100 characters)"),
        ("a" * 100, 25, 80, "a" * 24 + "…"),
        ("a" * 100, 30, 100, "a" * 29 + "…"),
        (bytes(50), 30, 80, "X'000000000000000…' (50 bytes)"),
        (bytes(50), 12, 80, "X'00000000…'"),
        (bytes(50), 4, 80, "X'…'"),
        (bytes(50), 3, 80, "X'…"),
        (1234567890, 5, 1, "1234…"),
        ("漢字漢字", 6, 80, "漢字…"),
    ],
)
def test_examples(value: Value, columns: int, note_from: int, want: str) -> None:
    shown = f"X'{value.hex()}'" if isinstance(value, bytes) else str(value)
    assert shorten(shown, value, columns, note_from) == want


def test_words_stay_whole_where_they_fit() -> None:
    assert fold("now and then something-rather-long", 10) == ["now and", "then", "something-", "rather-lon", "g"]
    assert fold("", 5) == [""]
    assert fold("a  b", 5) == ["a  b"]
