"""The search for the rows that a database refuses: dry runs with smaller and smaller ranges of rows.

SQLite reports a failed statement, not its row. So the search inserts ranges of rows, each by a statement of its own, in
a transaction that is rolled back, and divides those that fail until they are single rows. A range that succeeds stays:
whether a row is refused depends on the rows before it (a key that is there twice).

A round takes one request, and has at most a few thousand statements: ranges after the first that do not fit wait for a
later round.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lambda_handlers.wire import Result, SldbError, Statement

_MAX_PARTS = 2_000  # of a round
_MIN_PARTS = 8  # of a range
_MAX_QUERY_BYTES = 1_500_000  # of all statements of a round

# Of a JSON array with single ones, and with pairs of the first and the last: of millions, few fit into a request.
_NUMBERS = (
    "WITH RECURSIVE o(n, last) AS (SELECT coalesce(value ->> 0, value), coalesce(value ->> 1, value) FROM json_each(?) "
    "UNION ALL SELECT n + 1, last FROM o WHERE n < last) SELECT n FROM o"
)

Run = Callable[[Sequence[Statement]], Sequence[Result]]  # statements in a dry run that goes on after errors


@dataclass(frozen=True, slots=True)
class RowsInsert:
    """The INSERT of rows from a table whose rowids are their numbers."""

    place: int
    table: str
    count: int  # of the rows
    begin: str  # up to SELECT
    values: tuple[str, ...]  # of SELECT
    source: str
    end: str  # after ORDER BY

    def statement(self, first: int, last: int, without: Sequence[int]) -> Statement:
        """Return the INSERT of a range. `without`: sorted numbers of rows to leave out."""
        inside = without[bisect_left(without, first) : bisect_right(without, last)]
        left_out = f" AND rowid NOT IN ({_NUMBERS})" if inside else ""
        params = (first, last, _as_runs(inside)) if inside else (first, last)
        query = f"{self.begin}SELECT {','.join(self.values)} FROM {self.source} WHERE rowid BETWEEN ? AND ?{left_out}"
        return Statement(f"{query} ORDER BY rowid{self.end}", params)


@dataclass(slots=True)
class _Range:
    insert: RowsInsert
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Found:
    place: int
    row: int
    error: SldbError


@dataclass(slots=True)
class RowSearch:
    """One search. `refused`: sorted numbers of rows known before, for each place."""

    run: Run
    steps: Sequence[Statement | RowsInsert]
    refused: dict[int, list[int]]
    found: list[Found] = field(default_factory=list)
    _items: list[Statement | _Range] = field(default_factory=list)
    _end: int = 0  # of the items of a round
    _failing: int = 0  # ranges in the last round

    def all(self) -> list[Found]:
        """Return the rows that are refused, in their order. Raises the error of a statement that is not a row's."""
        self._begin()
        while not self._round(only_first=False):
            pass
        return self.found

    def few(self, most_failing: int) -> list[Found] | None:
        """Return the rows that are refused, in their order; None as soon as more ranges fail in a round."""
        self._begin()
        while not self._round(only_first=False):
            if self._failing > most_failing:
                return None
        return self.found

    def first(self) -> list[Found]:
        """Return the first row that is refused."""
        self._begin()
        while not self.found and not self._round(only_first=True):
            pass
        return self.found[:1]

    def accepted(self) -> list[Statement]:
        """Return the statements with all rows that are not refused."""
        return [
            step if isinstance(step, Statement) else step.statement(1, step.count, self._without(step))
            for step in self.steps
        ]

    def _begin(self) -> None:
        total = sum(step.count for step in self.steps if isinstance(step, RowsInsert))
        for step in self.steps:
            if isinstance(step, Statement):
                self._items.append(step)
                continue
            self._items.append(step.statement(1, 0, ()))  # fails if each row would
            size = max(1, -(-total // self._parts_of(step)))
            self._items += _divided(_Range(step, 1, step.count), size)
        self._end = len(self._items)

    def _round(self, only_first: bool) -> bool:
        """Run the items once, and divide the ranges that fail. Return True if none is left."""
        sent = self._items[: self._end]
        rest = self._items[self._end :]
        results = self.run([self._statement(item) for item in sent])
        items: list[Statement | _Range] = []
        end: int | None = None
        is_over = not rest
        self._failing = sum(bool(result.error) for result in results)
        failing = 1 if only_first else max(1, self._failing)
        room = min((self._parts_of(item.insert) for item in sent if isinstance(item, _Range)), default=_MAX_PARTS)
        most = max(_MIN_PARTS, room // failing)  # parts of a range: rounds cost more than their statements
        for item, result in zip(sent, results, strict=True):
            if isinstance(item, Statement):
                if result.error and end is None:
                    raise result.error
                items.append(item)
            elif end is not None or result.error is None:
                _append(items, item, is_good=end is None)
            elif item.first == item.last:
                self._refuse(item, result.error)
                end = len(items) if only_first or result.rolled_back else None
            else:
                parts = _divided(item, max(1, -(-_size(item) // most)))
                items += parts
                is_over = False
                room -= len(parts)
                end = len(items) if only_first or result.rolled_back or room < _MIN_PARTS else None
        self._items = items + rest
        self._end = len(self._items) if end is None else end
        return is_over and end is None

    def _statement(self, item: Statement | _Range) -> Statement:
        if isinstance(item, Statement):
            return item
        return item.insert.statement(item.first, item.last, self._without(item.insert))

    def _without(self, insert: RowsInsert) -> list[int]:
        return self.refused.setdefault(insert.place, [])

    def _refuse(self, item: _Range, error: SldbError) -> None:
        rows = self._without(item.insert)
        rows.insert(bisect_left(rows, item.first), item.first)
        self.found.append(Found(item.insert.place, item.first, error))

    def _parts_of(self, insert: RowsInsert) -> int:
        query_bytes = len(insert.begin) + sum(map(len, insert.values)) + len(insert.end) + 400
        return max(2, min(_MAX_PARTS, _MAX_QUERY_BYTES // query_bytes))


def _as_runs(numbers: Sequence[int]) -> str:
    """Return sorted numbers as JSON for `_NUMBERS`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return json.dumps([run if len(run) > 1 else run[0] for run in runs], separators=(",", ":"))


def _size(item: _Range) -> int:
    return item.last - item.first + 1


def _divided(item: _Range, size: int) -> list[_Range]:
    firsts = range(item.first, item.last + 1, size)
    return [_Range(item.insert, first, min(item.last, first + size - 1)) for first in firsts]


def _append(items: list[Statement | _Range], item: _Range, is_good: bool) -> None:
    """Append a range; join it with the one before it if both are accepted."""
    before = items[-1] if items else None
    if is_good and isinstance(before, _Range) and before.insert is item.insert:
        before.last = item.last
    else:
        items.append(item)
