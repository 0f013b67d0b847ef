"""Statements in as few requests as their limits allow."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Request, Statement
from sldb.dbapi import batches


@given(st.lists(st.integers(min_value=0, max_value=1_500_000), max_size=8))
def test_each_batch_fits_and_none_could_be_larger(sizes: list[int]) -> None:
    statements = [Statement("INSERT INTO t VALUES (?)", ("x" * size,)) for size in sizes]
    made = list(batches.batches(statements))
    assert [one for batch in made for one in batch] == statements
    assert all(size_of(batch) <= batches.MAX_BYTES + 100 for batch in made)
    assert all(size_of([*batch, after[0]]) > batches.MAX_BYTES for batch, after in pairwise(made))


def size_of(batch: list[Statement]) -> int:
    return len(json.dumps(Request(tuple(batch)).encode()))


def test_statements_are_counted() -> None:
    few = [Statement("DELETE FROM t")] * (batches.MAX_STATEMENTS + 1)
    assert [len(batch) for batch in batches.batches(few)] == [batches.MAX_STATEMENTS, 1]
