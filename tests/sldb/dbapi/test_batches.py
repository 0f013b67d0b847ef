"""Rows of values in as few requests as their limits allow."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Many, Request, Statement
from sldb.dbapi import batches


@given(st.lists(st.integers(min_value=0, max_value=1_500_000), max_size=8))
def test_each_batch_fits_and_none_could_be_larger(sizes: list[int]) -> None:
    rows = [("x" * size,) for size in sizes]
    made = [many.rows for many in batches.batches(rows)]
    assert [row for batch in made for row in batch] == rows
    assert all(size_of(batch) <= batches.MAX_BYTES + 100 for batch in made)
    assert all(size_of((*batch, after[0])) > batches.MAX_BYTES for batch, after in pairwise(made))


def size_of(rows: Any) -> int:
    return len(json.dumps(Request((Statement("INSERT INTO t VALUES (?)", Many(rows)),)).encode()))


def test_rows_are_counted() -> None:
    few = [()] * (batches.MAX_ROWS + 1)
    assert [len(many.rows) for many in batches.batches(few)] == [batches.MAX_ROWS, 1]


def test_names_and_control_characters_take_their_room() -> None:
    rows = [{"name": "\1" * 10_000}] * 200
    assert [len(many.rows) for many in batches.batches(rows)] == [66, 66, 66, 2]


def test_without_them_each_row_is_a_statement() -> None:
    request = Request((Statement("BEGIN"), Statement("DELETE", Many(((1,), {"a": 2})))))
    statements = batches.without_many(request).statements
    assert statements == (Statement("BEGIN"), Statement("DELETE", (1,)), Statement("DELETE", {"a": 2}))
