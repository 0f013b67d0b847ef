"""The type of a column."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import Value
from sldb.transfer.formats.columns import ColumnType


@pytest.mark.parametrize(
    ("texts", "declared"),
    [
        (["1", "-5", None, "0", "9223372036854775807"], "INTEGER"),
        (["1", "2.5", "-0.5", "1e3", "1.50"], "REAL"),
        (["9007199254740993", "2.5"], "NUMERIC"),
        (["9223372036854775808"], "TEXT"),
        (["007"], "TEXT"),
        (["+1"], "TEXT"),
        (["-0"], "TEXT"),
        (["1e999"], "TEXT"),
        (["1_000"], "TEXT"),
        (["\u0661"], "TEXT"),
        ([" 1"], "TEXT"),
        (["0x10"], "TEXT"),
        (["nan"], "TEXT"),
        (["1", "x"], "TEXT"),
        (["", "5"], "INTEGER"),
        ([""], "TEXT"),
        ([None], "TEXT"),
        ([], "TEXT"),
    ],
)
def test_of_text(texts: list[str | None], declared: str) -> None:
    for order in (texts, texts[::-1]):
        column = ColumnType(is_text=True)
        for text in order:
            column.add([text])
        assert column.declared == declared


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        ([1, None], "INTEGER"),
        ([1, 2.5], "REAL"),
        ([1.0], "REAL"),
        ([2**53 + 1, 2.5], "NUMERIC"),
        (["5"], "TEXT"),
        ([b"5"], "BLOB"),
        ([None], "TEXT"),
        ([5, "5"], ""),
        (["5", b"5"], ""),
        ([2.5, b"5"], ""),
    ],
)
def test_of_values(values: list[Value], declared: str) -> None:
    for order in (values, values[::-1]):
        column = ColumnType(is_text=False)
        column.add(order)
        assert column.declared == declared


def test_whole_numbers_that_no_integer_holds_are_remembered() -> None:
    column = ColumnType(is_text=True)
    column.add(["1", "9223372036854775808"])
    assert column.has_huge
