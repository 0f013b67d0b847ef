"""Batches of rows: each fits into one request, and has a digest of all rows so far.

The same rows make the same batches, so that an interrupted import can continue, and is not mistaken for one of other
data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lambda_handlers.wire import encode_value
from sldb.transfer.formats.stream import Values

BATCH_BYTES = 4_000_000  # of rows as JSON; the limit of an event is 6 MB
_CHUNK_BYTES = 200_000  # rows are measured in chunks of about this size
_FIRST_CHUNK_ROWS, _MAX_CHUNK_ROWS = 20, 2_000


@dataclass(frozen=True, slots=True)
class Batch:
    rows: list[Values]
    size_bytes: int
    digest: str  # of this batch and all before it


class Batches:
    """The batches of some rows, by iteration. `digest`: of the rows before them."""

    def __init__(self, rows: Iterable[Values], max_rows: int, digest: str) -> None:
        self._rows = iter(rows)
        self._most_rows = max_rows
        self._hash = hashlib.sha256(digest.encode())

    def __iter__(self) -> Iterator[Batch]:
        rows: list[Values] = []
        size = 0
        for chunk, encoded in self._chunks():
            chunk_bytes = len(encoded) + sum(2 * len(row) + 3 for row in chunk)  # with placeholders in a statement
            if rows and (size + chunk_bytes > BATCH_BYTES or len(rows) + len(chunk) > self._most_rows):
                yield Batch(rows, size, self._hash.hexdigest())
                rows, size = [], 0
            self._hash.update(encoded)
            rows += chunk
            size += chunk_bytes
        if rows:
            yield Batch(rows, size, self._hash.hexdigest())

    def _chunks(self) -> Iterator[tuple[list[Values], bytes]]:
        count = min(_FIRST_CHUNK_ROWS, self._most_rows)
        while chunk := list(islice(self._rows, count)):
            encoded = _encoded(chunk)
            row_bytes = max(1, len(encoded) // len(chunk))
            count = max(1, min(_CHUNK_BYTES // row_bytes, _MAX_CHUNK_ROWS, self._most_rows))
            yield from [(chunk, encoded)] if len(encoded) <= BATCH_BYTES else _single(chunk)


def _single(chunk: list[Values]) -> Iterator[tuple[list[Values], bytes]]:
    for row in chunk:
        yield [row], _encoded([row])


def _encode_blob(value: Any) -> Any:
    assert isinstance(value, bytes)
    return encode_value(value)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_encode_blob).encode


def _encoded(rows: list[Values]) -> bytes:
    try:
        return _encode(rows).encode()
    except ValueError:  # an infinity
        return _encode([[encode_value(value) for value in row] for row in rows]).encode()
