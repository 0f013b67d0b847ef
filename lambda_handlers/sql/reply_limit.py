"""The room in a reply: the bytes taken by the results of a request, and the rows stored elsewhere for lack of room.

Rows without room beside the earlier results are stored as an object, all those of their statement together, and the
reply gets its key. Sizes are those of JSON, rounded up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeAlias

from lambda_handlers.wire import Column, Row, SldbError, StoredRows, Value

StoreRows: TypeAlias = Callable[[Iterable[Row]], StoredRows]

_RESULT_BYTES = 160  # of a result, besides its columns and rows
_NOT_FOR_ROWS = 0.25  # of a reply: reserved for statements without rows, and for the URLs of rows stored elsewhere
_FAR_BYTES = 4096  # of a presigned URL, with the token of a role in it
_OTHER_BYTES = 26  # of NULL or a number, at most
_VALUE_BYTES = 50  # of a value in memory, besides its characters
_MAX_AT_ONCE = 64  # rows taken before their sizes are known: the next ones may be large
_FEW_BYTES = 64 << 10  # of the rows before more are taken at once


class ReplyRoom:
    def __init__(
        self,
        limit_bytes: int | None = None,
        store_rows: StoreRows | None = None,
        max_bytes: float | None = None,
        size_of: Callable[[Sequence[Row]], int] | None = None,
    ) -> None:
        """`limit_bytes`: of a reply; None: it has no limit, and all rows stay in it. `max_bytes`: of a reply
        beyond the limit, then one of memory. `size_of` returns the bytes of rows; None: those in JSON."""
        self._size_of = size_of
        self._limit = math.inf if limit_bytes is None else limit_bytes
        self._max = self._limit if max_bytes is None else max_bytes
        self._store_rows = store_rows
        self._taken = 0

    def take(self, columns: Iterable[Column], rows: Iterator[Row]) -> tuple[list[Row], StoredRows | None]:
        """Return the rows of a statement, or the key of their object. Raises `too_large` if not even that fits."""
        if self._store_rows is None:
            return list(rows), None
        own = sum(_size(column.name) + _size(column.type or "") + 20 for column in columns)
        left = self._max - self._taken - _RESULT_BYTES
        if own:
            kept, stored, size = self._keep(rows, self._room_for_rows(), own, self._store_rows)
        else:
            kept, stored, size = list(rows), None, 0
        self._check_room(left, size)
        self._taken += _RESULT_BYTES + size
        return kept, stored

    def take_empty(self, error: SldbError | None = None) -> None:
        """Take the room of a result without rows, and of its error. Raises `too_large` if it does not fit."""
        size = _RESULT_BYTES + (len(json.dumps(error.encode())) if error else 0)
        self._check_room(self._max - self._taken, size)
        self._taken += size

    def _room_for_rows(self) -> float:
        """Return the bytes for the rows of the next statement. Where the limit is one of memory, few rows always fit:
        each object in their place takes a request to the store."""
        left = self._limit * (1 - _NOT_FOR_ROWS) - self._taken - _RESULT_BYTES
        return left if self._max == self._limit else max(left, _FAR_BYTES)

    def _keep(
        self, rows: Iterator[Row], limit: float, own: int, store_rows: StoreRows
    ) -> tuple[list[Row], StoredRows | None, int]:
        kept: list[Row] = []
        size, at_once = own, 1
        while some := list(islice(rows, at_once)):
            some_bytes = (self._size_of or _rows_size)(some)
            size += some_bytes
            if size > limit:
                return [], store_rows(chain(kept, some, rows)), own + _FAR_BYTES
            kept.extend(some)
            at_once = min(2 * at_once, _MAX_AT_ONCE) if some_bytes < _FEW_BYTES else 1
        return kept, None, size

    @staticmethod
    def _check_room(left: float, size: int) -> None:
        if size > left:
            raise SldbError(
                "too_large",
                "the results of so many statements, or columns, do not fit into one reply of the function (6 MB)",
                "send fewer statements in one request",
                applied="no",
            )


class _DiscardedRows(ReplyRoom):
    """Room for statements that run again, whose rows were sent before: they are read, and counted."""

    def take(self, columns: Iterable[Column], rows: Iterator[Row]) -> tuple[list[Row], StoredRows | None]:  # noqa: ARG002
        count = sum(1 for _ in rows)
        return [], StoredRows("", count) if count else None

    def take_empty(self, error: SldbError | None = None) -> None:
        """Take nothing."""


DISCARDED = _DiscardedRows()


def _rows_size(rows: Sequence[Row]) -> int:
    """Return the bytes of rows of one width in a reply: a call for each column takes less time than one for each
    value."""
    return sum(map(_column_size, zip(*rows, strict=True))) + 4 * len(rows)


def memory_size(rows: Sequence[Row]) -> int:
    """Return about the bytes of rows of one width in memory: as many for a character as in most texts."""
    return sum(map(_long_values, zip(*rows, strict=True))) + _VALUE_BYTES * len(rows) * (len(rows[0]) + 1)


def _long_values(values: Sequence[Value]) -> int:
    types = set(map(type, values))
    if types.isdisjoint((str, bytes)):
        return 0
    if types <= {str, bytes}:
        return sum(map(len, values))  # type: ignore[arg-type]  # all have a length
    return sum(len(value) for value in values if isinstance(value, (str, bytes)))


def _column_size(values: Sequence[Value]) -> int:
    types = set(map(type, values))
    if types.isdisjoint((str, bytes)):
        return _OTHER_BYTES * len(values)
    if types == {str} and sum(map(len, values)) < _FEW_BYTES:  # type: ignore[arg-type]  # they are text
        return len(json.dumps("".join(values))) - 2 + 4 * len(values)  # type: ignore[arg-type]
    return sum(map(_size, values))


def _size(value: object) -> int:
    """Return the bytes of a value in a reply, rounded up."""
    if isinstance(value, bytes):
        return len(value) * 4 // 3 + 20
    return len(json.dumps(value)) + 2 if isinstance(value, str) else _OTHER_BYTES
