"""Statements, in as few requests as their limits allow. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from lambda_handlers.wire import Request, Statement

MAX_STATEMENTS = 25_000  # a reply has room for the results of twice as many (6 MB)
MAX_BYTES = 4_000_000  # of JSON: Lambda takes 6 MB, and the token of a transaction may need a part of it


def batches(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """Yield the statements in lists of one request each."""
    batch: list[Statement] = []
    size_bytes = 0
    for statement in statements:
        more_bytes = len(json.dumps(Request((statement,)).encode(), ensure_ascii=False).encode()) + 2
        if batch and (len(batch) == MAX_STATEMENTS or size_bytes + more_bytes > MAX_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(statement)
        size_bytes += more_bytes
    if batch:
        yield batch
