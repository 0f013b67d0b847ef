"""Tables on a terminal: they fit, and what is cut off is said."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from lambda_handlers.wire import Column, Result, Value
from sldb import render
from sldb.render import Layout
from sldb.render.screen import Screen
from sldb.render.text import escape
from tests.sldb.render.test_text import CELLS

UTC = timezone.utc
SCREEN = Screen(80, color=False, max_rows=500, lines=24)
VALUES = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    CELLS,
    CELLS.map(lambda cell: cell * 30),
    st.binary(),
)
RESULTS = st.integers(1, 9).flatmap(
    lambda width: st.tuples(
        st.lists(CELLS, min_size=width, max_size=width),
        st.lists(st.tuples(*[VALUES] * width), max_size=30),
    )
)
SCREENS = st.builds(
    Screen,
    columns=st.integers(20, 200),
    color=st.just(False),
    max_rows=st.sampled_from([0, 5]),
    turns=st.booleans(),
    lines=st.integers(5, 60),
    max_width=st.sampled_from([None, 0, 1, 7, 40]),
)


def printed(names: list[str], rows: list[tuple[Value, ...]], screen: Screen, **layout: object) -> str:
    out = io.StringIO()
    result = Result(tuple(Column(name, None) for name in names), rows, len(rows))
    render.write([result], "table", out, screen, Layout(**layout))  # type: ignore[arg-type]
    return out.getvalue()


def is_box(shown: str) -> bool:
    return shown.startswith("╭")


@given(RESULTS, SCREENS, st.booleans())
def test_a_box_fits_and_all_its_lines_have_the_same_width(
    content: tuple[list[str], list[tuple[Value, ...]]], screen: Screen, header: bool
) -> None:
    shown = printed(*content, screen, header=header)
    if is_box(shown):
        assert len({wcswidth(line) for line in shown.splitlines()}) == 1
        assert wcswidth(shown.partition("\n")[0]) <= screen.columns
    coloured = printed(*content, replace(screen, color=True), header=header)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown


TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat(" ", "milliseconds"))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 1 << 63), TIMES, st.sampled_from(["12..40", "7"]), CELLS, CELLS), max_size=9),
    st.integers(20, 120),
)
def test_times_and_numbers_of_commands_are_on_one_line(rows: list[tuple[Value, ...]], columns: int) -> None:
    shown = printed(["txid", "time", "range", "a", "b"], rows, replace(SCREEN, columns=columns, folds=True))
    for row in rows:
        for value in row[:3]:
            assert str(value) in shown


@given(RESULTS, st.integers(20, 120))
def test_a_table_of_a_command_cuts_nothing(content: tuple[list[str], list[tuple[Value, ...]]], columns: int) -> None:
    shown = printed(*content, replace(SCREEN, columns=columns, folds=True))
    assert "…" in "".join(map(repr, content)) or "…" not in shown


@given(RESULTS, st.integers(20, 200), st.integers(5, 60))
def test_what_fits_on_the_screen_is_whole(
    content: tuple[list[str], list[tuple[Value, ...]]], columns: int, lines: int
) -> None:
    """A table is no longer than its rows, unless all of it is on the screen with its cells folded."""
    names, rows = content
    shown = printed(names, rows, replace(SCREEN, columns=columns, lines=lines))
    if is_box(shown) and shown.count("\n") > len(rows) + 4:
        assert shown.count("\n") <= lines - 2
        assert "…" in "".join(map(repr, (names, rows))) or "…" not in shown


WIDE = ["id", "name", "email", "about", "created_at", "updated_at", "country", "score", "role", "note"]
PERSON = (
    1,
    "Ada Lovelace",
    "ada@example.org",
    "Born in London " * 20,
    "2026-11-27T02:00:39Z",
    None,
    "UK",
    3.5,
    "x",
    "",
)


def test_three_rows_of_a_wide_table_are_no_screens_full_of_lines() -> None:
    shown = printed(WIDE, [PERSON] * 3, SCREEN)
    assert is_box(shown)
    assert len(shown.splitlines()) == 7
    assert "Born …" in shown


def test_one_row_of_it_is_whole() -> None:
    screen = replace(SCREEN, columns=72, lines=30)
    shown = printed(WIDE, [PERSON], screen)
    assert shown.startswith("── row 1")
    assert PERSON[3] in shown
    assert is_box(printed(WIDE, [PERSON], replace(screen, turns=False)))


def test_narrow_columns_are_not_folded() -> None:
    shown = printed(WIDE, [PERSON] * 3, replace(SCREEN, columns=120, lines=40))
    assert len(shown.splitlines()) == 7
    assert "Born in Lon" in shown


def test_columns_too_many_for_a_box_are_printed_vertically() -> None:
    names = [f"column{i}" for i in range(20)]
    rows: list[tuple[Value, ...]] = [tuple(f"value {i}" for i in range(20))] * 3
    assert printed(names, rows, SCREEN).startswith("── row 1")
    beyond = printed(names, rows, replace(SCREEN, turns=False))
    assert beyond.startswith(" column0 │ column1")
    assert all("value 19" in line for line in beyond.splitlines()[2:])


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (bytes.fromhex("89504e47") + bytes(2996), f"X'89504e47{'0' * 14}…' (3,000 bytes)"),
        ("long text " * 1234 + "12345", "long text long text… (12,345 characters)"),
        ("👩‍👩‍👧‍👦" * 800, "👩‍👩‍👧‍👦" * 10 + "… (5,600 characters)"),
    ],
)
def test_a_cell_longer_than_the_screen_is_shortened_with_its_length(value: Value, cell: str) -> None:
    shown = printed(["a", "b", "c"], [("x" * 10, value, "y" * 20)] * 2, SCREEN)
    assert f"│ {cell}" in shown
    out = io.StringIO()
    result = Result((Column("a", None),), [(value,)], 1)
    for format_name, screen in (("table", None), ("vertical", SCREEN), ("csv", SCREEN)):
        render.write([result], format_name, out, screen)
        assert escape(value if isinstance(value, str) else value.hex()) in out.getvalue()


def test_a_long_cell_that_fits_on_the_screen_is_folded_between_words() -> None:
    shown = printed(["id", "about"], [(1, "Born in London " * 20)], SCREEN)
    assert "…" not in shown
    assert len(re.findall(r"Born in|London", shown)) >= 39
    assert "│    │" in shown
    many = printed(["id", "about"], [(1, "Born in London " * 20)] * 5, SCREEN)
    assert many.count("(300 characters)") == 5


@pytest.mark.parametrize(("max_width", "cells"), [(10, "abc de… │"), (0, "abc def ghi jkl"), (None, "abc def ghi jkl")])
def test_the_width_of_cells_may_be_set(max_width: int | None, cells: str) -> None:
    shown = printed(["a"], [("abc def ghi jkl",)], replace(SCREEN, max_width=max_width and 7))
    assert cells.replace("abc de…", "abc de…") in shown


def test_without_a_limit_cells_are_whole_however_long() -> None:
    value = "".join(f"{number:05}" for number in range(1000))
    shown = printed(["id", "a"], [(1, value)], replace(SCREEN, max_width=0))
    assert is_box(shown)
    assert "".join(line[7:-2].rstrip() for line in shown.splitlines()[3:-1]) == value
    names = [f"column{i}" for i in range(10)]
    assert printed(names, [tuple(names)] * 3, replace(SCREEN, max_width=0)).startswith("── row 1")


def test_numbers_blobs_and_null_have_their_colours() -> None:
    shown = printed(["n", "r", "b", "t", "z"], [(1, 2.5, b"\0", "t", None)], replace(SCREEN, color=True))
    for part in (
        "\x1b[1mn",
        "\x1b[38;5;63m1\x1b[0m",
        "\x1b[38;5;63m2.5\x1b[0m",
        "\x1b[38;5;98mX'00'\x1b[0m",
        " t ",
        "\x1b[3;38;5;243mNULL\x1b[0m",
    ):
        assert part in shown
