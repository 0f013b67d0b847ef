"""The widths of text, and the folding of lines."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wcwidth import wcswidth

from lambda_handlers.wire import Column, Result
from sldb import render
from sldb.render import text
from sldb.render.text import escape, fold, pad, width

WORDS = st.lists(st.text("abé漢", min_size=1, max_size=9), max_size=12)

# Text of more than one code point for a character, and of no or two columns.
SEQUENCES = (
    "👩‍👩‍👧‍👦",
    "🇩🇪",
    "🇩",
    "👍🏽",
    "1️⃣",
    "\u1112\u1161\u11ab",
    "❤️",
    "❤︎",
    "☺",
    "⌚︎",
    "e\u0301",
    "\u0301",
    "\u200d",
    "\u200b",
    "\ufe0f",
    "#",
    "\U0001f3fd",
    "한",
    "漢",
    "क्षि",
    "Å",
    "…",
    "│",
    "\u00ad",
    "\x1b[31m",
    "\t",
    "\u202e",
    "\U000e0041",
    "🏴\U000e0067\U000e0062\U000e007f",
)
SCRIPTS = st.one_of(st.sampled_from(SEQUENCES), st.text(max_size=3), st.text("ab é", max_size=5))
CELLS = st.lists(SCRIPTS, max_size=5).map("".join)


@given(CELLS)
def test_widths_are_those_of_wcwidth(cell: str) -> None:
    assert width(escape(cell)) == wcswidth(escape(cell)) >= 0


@given(CELLS, st.booleans())
def test_padding_fills_to_the_width(cell: str, right: bool) -> None:
    padded = pad(escape(cell), 40 + width(escape(cell)), right=right)
    assert wcswidth(padded) == 40 + width(escape(cell))


def test_the_characters_that_are_not_measured_have_one_column_each() -> None:
    """Whatever stands beside them: those measured differently with others make the whole text be measured."""
    for number in [*range(0x20, 0x7F), *range(0xA0, 0x2600)]:
        character = chr(number)
        if character.isascii() or text._NARROW.fullmatch(character):
            assert wcswidth(character) == 1, hex(number)
            assert not unicodedata.combining(character)


NO_BARS = CELLS.map(lambda cell: cell.replace("│", ""))
ROWS = st.lists(st.tuples(NO_BARS, NO_BARS, st.integers() | st.none() | NO_BARS), max_size=5)


@given(ROWS, NO_BARS)
@example([("👩\u200d", "\u200d", 1)], "a")
@example([("❤️", "x", 1), ("❤", "한국어", None)], "名")
def test_all_lines_of_a_table_have_the_same_width(rows: list[tuple[str, str, int | None]], name: str) -> None:
    columns = tuple(Column(each, None) for each in (name, "b", "c"))
    out = io.StringIO()
    render.write([Result(columns, list(rows), len(rows))], "table", out)
    header, rule, *lines = out.getvalue().splitlines()
    assert len(lines) == len(rows)
    # The last bar of each line stands at the same place: lines end without blanks.
    places = {wcswidth(line.rpartition("│")[0]) for line in (header, *lines)}
    assert places == {wcswidth(rule.rpartition("┼")[0])}
    assert max(map(wcswidth, (header, *lines))) <= wcswidth(rule)


def test_plain_text_needs_no_table_of_widths() -> None:
    program = (
        "import sys, io; from sldb import render; from lambda_handlers.wire import Column, Result\n"
        "rows = [('Grüße, “Zoë” … 5 €',), ('Привет',), ('Ελλάδα',)]\n"
        "render.write([Result((Column('é', None),), rows, 3)], 'table', io.StringIO())\n"
        "print('wcwidth' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


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
