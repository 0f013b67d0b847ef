from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sldb.render import text
from sldb.render.caret import column_number, line_number, point


def test_one_line() -> None:
    assert point("selec 1", 0, 80) == ("selec 1", "^")
    assert point("select nam from t", 7, 80) == ("select nam from t", "       ^")


def test_the_line_of_several() -> None:
    query = "select 1,\n  nam\nfrom t"
    assert point(query, query.index("nam"), 80) == ("  nam", "  ^")
    assert line_number(query, query.index("nam")) == 2


def test_tabs_and_wide_characters_keep_the_place() -> None:
    assert point("\tx", 1, 80) == ("    x", "    ^")
    assert point("'日本' x", 5, 80) == ("'日本' x", "       ^")
    assert point("\x1b x", 2, 80) == ("\\x1b x", "     ^")


def test_offsets_outside_of_the_text() -> None:
    assert point("abc", 99, 80) == ("abc", "   ^")
    assert point("", 0, 80) == ("", "^")


def test_the_column_counts_from_one() -> None:
    assert [column_number("a\nbc", offset) for offset in range(5)] == [1, 2, 1, 2, 3]


def test_a_line_of_millions_takes_no_time() -> None:
    """Which is what a minified script is: cutting it one character at a time would take hours."""
    query = "select '" + "x" * 3_000_000 + "', nope, '" + "y" * 3_000_000 + "'"
    line, caret = point(query, query.index("nope"), 80)
    assert line[len(caret) - 1 :].startswith("nope")


def test_a_long_line_is_cut_around_the_place() -> None:
    query = "select " + "a" * 500 + " NOPE " + "b" * 500
    line, caret = point(query, query.index("NOPE"), 60)
    assert text.width(line) <= 60
    assert line[len(caret) - 1 :].startswith("NOPE")
    assert line.startswith("…")
    assert line.endswith("…")


@given(st.text(), st.integers(0, 200), st.integers(10, 100))
def test_never_wider_than_asked(query: str, offset: int, columns: int) -> None:
    line, caret = point(query, offset, columns)
    assert text.width(line) <= columns
    assert len(caret) <= columns + 1
    assert "\n" not in line
