"""Values for many runs of a statement, in as few requests as their limits allow. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.wire import Many, Request, Row, Statement, Value, encode_many

MAX_ROWS = 25_000  # to a function of an earlier version each is a statement, of twice as many a reply has room (6 MB)
MAX_BYTES = 4_000_000  # of JSON: Lambda takes 6 MB, and the token of a transaction may need a part of it

_ROWS_AT_ONCE = 250  # measured together: a call for each row takes ten times as long

Run: TypeAlias = "Row | dict[str, Value]"


def batches(rows: Iterable[Run]) -> Iterator[Many]:
    """Yield the rows by the requests that take them."""
    batch: list[Run] = []
    size_bytes = 0
    for some, some_bytes in _measured(iter(rows)):
        if batch and (len(batch) + len(some) > MAX_ROWS or size_bytes + some_bytes > MAX_BYTES):
            yield Many(tuple(batch))
            batch, size_bytes = [], 0
        batch.extend(some)
        size_bytes += some_bytes
    if batch:
        yield Many(tuple(batch))


def _measured(rows: Iterator[Run]) -> Iterator[tuple[Sequence[Run], int]]:
    """Yield the rows a few at a time, with their bytes in a request; large ones one by one."""
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        some_bytes = _size_bytes(some)
        if some_bytes <= MAX_BYTES // _ROWS_AT_ONCE:
            yield some, some_bytes
        else:
            yield from (([row], _size_bytes([row])) for row in some)


def _size_bytes(rows: Sequence[Run]) -> int:
    return len(json.dumps(encode_many(Many(tuple(rows))), ensure_ascii=False).encode())


def without_many(request: Request) -> Request:
    """Return the request for a function of an earlier version: with a statement for each row of values."""
    statements: list[Statement] = []
    for one in request.statements:
        many = one.params
        statements += [Statement(one.query, row) for row in many.rows] if isinstance(many, Many) else [one]
    return replace(request, statements=tuple(statements))
