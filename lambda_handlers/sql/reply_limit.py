"""How much of a reply the results of a request have taken, and which rows find no room in it.

The last result that returns rows stands twice in a reply: as its `rows`, and among its `results`. Rows that do not fit
beside the results before them are sent away, all those of their statement together; what remains of them here is where
they went. Sizes are those of JSON, from above.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeAlias

from lambda_handlers.wire import Column, Row, SldbError, StoredRows

SendAway: TypeAlias = Callable[[Iterable[Row]], StoredRows]

_RESULT_BYTES = 120  # of a result, besides its columns and rows
_NOT_FOR_ROWS = 0.25  # of a reply: what is left for statements that give none, and for the URLs of those far away
_FAR_BYTES = 4096  # of a presigned URL, with the token of a role in it


class ReplyRoom:
    def __init__(self, limit_bytes: int | None = None, send_away: SendAway | None = None) -> None:
        """`limit_bytes`: of a reply; None: there is none, and nothing is sent away."""
        self._limit = math.inf if limit_bytes is None else limit_bytes
        self._send_away = send_away
        self._taken = 0  # by every result once
        self._repeated = 0  # by the last that returns rows, once more

    def take(self, columns: Iterable[Column], rows: Iterator[Row]) -> tuple[list[Row], StoredRows | None]:
        """The rows of a statement, or where they went. Raises `too_large` where not even that fits."""
        if self._send_away is None:
            return list(rows), None
        own = sum(_size(column.name) + _size(column.type or "") + 20 for column in columns)
        limit = self._limit - self._taken - _RESULT_BYTES  # of what is left; rows may not take all of it
        if not own:  # no rows, and the last result with rows stays that
            self._settle(limit - self._repeated, 0)
            self._taken += _RESULT_BYTES
            return list(rows), None
        kept, stored, size = self._keep(rows, limit - self._limit * _NOT_FOR_ROWS, own, self._send_away)
        self._settle(limit, 2 * size)
        self._taken += _RESULT_BYTES + size
        self._repeated = size
        return kept, stored

    @staticmethod
    def _keep(
        rows: Iterator[Row], limit: float, own: int, send_away: SendAway
    ) -> tuple[list[Row], StoredRows | None, int]:
        kept: list[Row] = []
        size = own
        for row in rows:
            size += _row_size(row)
            if 2 * size > limit:
                return [], send_away(chain(kept, (row,), rows)), own + _FAR_BYTES
            kept.append(row)
        return kept, None, size

    @staticmethod
    def _settle(limit: float, size: int) -> None:
        if size > limit:
            raise SldbError(
                "too_large",
                "the results of so many statements, or columns, do not fit into one reply of the function (6 MB)",
                "send fewer statements in one request",
                applied="no",
            )


def _row_size(row: Row) -> int:
    return sum(map(_size, row)) + 4


def _size(value: object) -> int:
    """At least as many bytes as the value takes in a reply."""
    if isinstance(value, bytes):
        return len(value) * 4 // 3 + 20
    return len(json.dumps(value)) + 2 if isinstance(value, str) else 26
