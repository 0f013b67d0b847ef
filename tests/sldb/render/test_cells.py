"""Texts made for a whole column are those made for each value alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Row, Value
from sldb.render import delimited, formats, literals
from sldb.render.cells import ROWS, Cells

FORMATS = {
    "csv": delimited.csv_cells(""),
    "csv with a word for NULL": delimited.csv_cells("a"),
    "csv with a word for NULL in quotes": delimited.csv_cells(" "),
    "tsv": delimited.tsv_cells(None),
    "tsv with a word for NULL": delimited.tsv_cells("a\t"),
    "json": formats.JSON_CELLS,
    "insert": literals.CELLS,
}
TEXTS = st.one_of(
    st.sampled_from(["", "a", " ", "a\t", "\\N", "'", '"', "a,b", "a\nb", "\n", "\r", "\0", "\u2028", "\x1f", "\x85a"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
REALS = st.one_of(
    st.floats(allow_nan=False),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, 0.1, -0.1, 1e15, 1e16, 1e-4, 1e-5, 1e22, 1e23, 123456789012345.0, -1.23456789012345]),
)
INTEGERS = st.integers(INTEGER_MIN, INTEGER_MAX) | st.just(INTEGER_MIN)
BLOBS = st.binary(max_size=3)
KINDS: list[st.SearchStrategy[Value]] = [TEXTS, REALS, INTEGERS, BLOBS, st.none()]
COLUMNS = st.one_of(
    *(st.lists(kind, min_size=1, max_size=6) for kind in KINDS),
    *(st.lists(st.none() | kind, min_size=1, max_size=6) for kind in KINDS),
    st.lists(st.one_of(KINDS), min_size=1, max_size=6),
)


@pytest.mark.parametrize("cells", FORMATS.values(), ids=FORMATS)
@given(COLUMNS)
@example([float("inf"), 1.5])
@example([1e-310, 0.1 + 0.2, -(0.1 + 0.2)])
def test_a_column_has_the_texts_of_its_values(cells: Cells, values: list[Value]) -> None:
    assert list(cells.column(tuple(values))) == [cells.cell(value) for value in values]


@pytest.mark.parametrize("count", [0, 1, ROWS, ROWS + 1])
def test_rows_keep_their_number_and_order(count: int) -> None:
    rows: list[Row] = [(n, f"{n}") for n in range(count)]
    assert list(delimited.csv_cells("").rows(iter(rows))) == [(str(n), str(n)) for n in range(count)]
