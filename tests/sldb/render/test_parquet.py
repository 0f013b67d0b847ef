"""Parquet, read back by pyarrow."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Column, Result, Row, SldbError, Value
from sldb import render
from sldb.render.parquet import EXACT_IN_DOUBLE, write_parquet

parquet = pytest.importorskip("pyarrow.parquet")
COLUMNS = st.one_of(
    st.lists(st.one_of(st.none(), values), min_size=3, max_size=3)
    for values in (
        st.integers(INTEGER_MIN, INTEGER_MAX),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary(),
    )
)


def table(names: list[str], rows: list[Row]) -> Any:
    out = io.BytesIO()
    write_parquet(Result(tuple(Column(name, None) for name in names), rows), out)
    return parquet.read_table(io.BytesIO(out.getvalue()))


@given(st.lists(COLUMNS, min_size=1, max_size=4))
def test_columns_of_one_type_are_exact(columns: list[list[Value]]) -> None:
    names = [f"c{number}" for number in range(len(columns))]
    found = table(names, list(zip(*columns, strict=True)))
    assert [[repr(cell) for cell in found[name].to_pylist()] for name in names] == [
        [repr(cell) for cell in column] for column in columns
    ]


@pytest.mark.parametrize(
    ("column", "kind", "read"),
    [
        ((1, 2.5, None), "double", [1.0, 2.5, None]),
        ((EXACT_IN_DOUBLE + 1, 2.5), "string", ["9007199254740993", "2.5"]),
        ((1, "x"), "string", ["1", "x"]),
        ((b"\x00\xff", 1), "string", ["X'00ff'", "1"]),
        ((None, None), "string", [None, None]),
        ((b"\x00\xff",), "binary", [b"\x00\xff"]),
        ((float("inf"),), "double", [float("inf")]),
    ],
)
def test_what_mixes_becomes_text_and_loses_nothing(column: tuple[Value, ...], kind: str, read: list[object]) -> None:
    found = table(["a"], [(cell,) for cell in column])
    assert str(found.schema.field("a").type) == kind
    assert found["a"].to_pylist() == read


def test_no_rows_and_names_that_are_the_same() -> None:
    assert table(["id", "id"], []).schema.names == ["id", "id:1"]
    assert table([], []).schema.names == []


def test_it_goes_to_a_file_only() -> None:
    with pytest.raises(SldbError, match="for a file"):
        render.check_format("parquet")
    assert render.check_format("parquet", to_file=True) == "parquet"


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SldbError) as caught:
        render.check_format("parquet", to_file=True)
    assert caught.value.hint == "pip install 'sldb[parquet]'"
