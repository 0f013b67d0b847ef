"""The type of a column."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.wire import Value
from sldb.transfer.formats.columns import ColumnType, is_huge


@pytest.mark.parametrize(
    ("texts", "declared"),
    [
        (["1", "-5", None, "0", "9223372036854775807"], "INTEGER"),
        (["2.0", "2.5", "-0.5", "1e+300", "1.0e+300", "0.30000000000000004", "1e-07"], "REAL"),
        (["1", "2.5", "1e+300"], "NUMERIC"),
        (["9007199254740993", "2.5"], "NUMERIC"),
        (["1", "1.0"], "TEXT"),
        (["1.10", "2.5"], "TEXT"),
        (["12e45"], "TEXT"),
        (["1e5"], "TEXT"),
        (["1E+300"], "TEXT"),
        ([".5"], "TEXT"),
        (["5."], "TEXT"),
        (["0.1000000000000000055511151231257827"], "TEXT"),
        (["1e23", "2.5"], "TEXT"),
        (["-0.0"], "TEXT"),
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
        ([1, 2.5], "NUMERIC"),
        ([2.5, 1e300], "REAL"),
        ([1.0, 2.5], "REAL"),
        ([1, 1.0], ""),
        ([1, 2.5, 3.0], ""),
        ([1, 1e300, float("inf")], "NUMERIC"),
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


NUMBERS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,20}(\.[0-9]{0,18})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.floats().map(repr),
    st.integers(-(2**64), 2**64).map(str),
    st.sampled_from([" 5", "5 ", "0x1F", "1_000", "inf", "-0", "1e16", "1e+16", "1.0e+16"]),
)


@given(st.lists(NUMBERS, min_size=1, max_size=4))
@example(["1", "1.0"])
@example(["12345678901234567890"])
def test_each_cell_of_a_text_file_is_printed_as_it_was(texts: list[str]) -> None:
    column = ColumnType(is_text=True)
    column.add(texts)
    found = [printed(value) for value in stored(column.declared, texts)]
    assert found == [text.replace(".0e", "e") for text in texts]


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)), min_size=1, max_size=4))
def test_each_value_that_has_a_type_keeps_it(values: list[Value]) -> None:
    column = ColumnType(is_text=False)
    column.add(values)
    assert [(type(value), value) for value in stored(column.declared, values)] == [
        (type(value), value) for value in values
    ]


def stored(declared: str, values: Sequence[Value]) -> list[Value]:
    connection = apsw.Connection(":memory:")
    connection.execute(f"CREATE TABLE t (v {declared})")
    connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    return [value for (value,) in connection.execute("SELECT v FROM t ORDER BY rowid")]


def printed(value: Value) -> str:
    return (repr(value) if isinstance(value, float) else str(value)).replace(".0e", "e")


@given(
    st.lists(
        st.sampled_from(["0", "5", "-5", "05", "1\n2", "\n", "1\n", "", "1.5", "9" * 17, "9" * 19, "x"]) | st.none()
    )
)
def test_cells_together_have_the_type_of_each_alone(cells: list[str | None]) -> None:
    together, alone = ColumnType(is_text=True), ColumnType(is_text=True)
    together.add(cells)
    for cell in cells:
        alone.add([cell])
    assert together.declared == alone.declared


def test_whole_numbers_that_no_integer_holds_are_huge() -> None:
    assert [text for text in HUGE_OR_NOT if is_huge(text)] == HUGE_OR_NOT[:4]


HUGE_OR_NOT = [
    *("9223372036854775808", "-9223372036854775809", "9" * 20, "-" + "9" * 5_000),
    *("9223372036854775807", "-9223372036854775808", "0" * 30, "+" + "9" * 20, "9" * 20 + ".5", "", "x" * 30),
]
