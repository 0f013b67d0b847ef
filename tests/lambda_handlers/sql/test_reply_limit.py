"""The room in a reply: the sizes of rows, and the rows that are stored elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.sql import reply_limit
from lambda_handlers.sql.reply_limit import ReplyRoom
from lambda_handlers.wire import Column, Row, StoredRows
from lambda_handlers.wire.values import encode_rows

VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), st.binary())
ROWS = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[VALUES] * width), max_size=200))
COLUMNS = [Column("a", None)]


@given(ROWS)
def test_the_size_of_rows_covers_their_json_and_is_that_of_each(rows: list[Row]) -> None:
    size = reply_limit._rows_size(rows)
    assert size >= len(json.dumps(encode_rows(rows))) - 2
    assert size == sum(reply_limit._rows_size([row]) for row in rows)


@given(ROWS, st.integers(0, 4000))
def test_all_rows_of_a_statement_are_kept_or_all_are_stored(rows: list[Row], limit: int) -> None:
    sent: list[Row] = []

    def send(rows: Iterable[Row]) -> StoredRows:
        sent.extend(rows)
        return StoredRows("key", len(sent))

    kept, stored = ReplyRoom(limit, send, float("inf")).take(COLUMNS, iter(rows))
    assert repr(sent if stored else kept) == repr(rows)
    assert not (stored and kept)


def test_few_large_rows_are_held_before_they_are_stored() -> None:
    taken = 0

    def large() -> Iterator[Row]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield (bytes(100_000),)

    ReplyRoom(1_000_000, lambda rows: StoredRows("key", sum(1 for _ in [next(iter(rows))])), 1e9).take(COLUMNS, large())
    assert taken <= 10
