"""`generate_series(start, stop, step)`: a table of whole numbers, as in SQLite's shell and in PostgreSQL.

`stop` is 4294967295 if it is left out, and `step` 1. A negative step descends; a step of 0 counts as 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

_SCHEMA = "CREATE TABLE x (value INTEGER, start HIDDEN, stop HIDDEN, step HIDDEN)"
_DEFAULTS = (0, 4294967295, 1)
_FIRST_PARAMETER = 1  # the column
_ESTIMATED_ROWS = 1000


class Series:
    """The module of the virtual table."""

    def Connect(self, connection: apsw.Connection, *_names: str) -> tuple[str, apsw.VTTable]:  # noqa: N802 - apsw's
        connection.vtab_config(apsw.SQLITE_VTAB_DIRECTONLY)
        return _SCHEMA, _Table()  # type: ignore[return-value]  # a table by its methods


class _Table:
    def BestIndexObject(self, index: apsw.IndexInfo) -> bool:  # noqa: N802
        """Choose the parameters that a query has, as bits of the index number. Return False for an order of tables in
        which one of them is not known yet."""
        chosen: dict[int, int] = {}  # column → position of its constraint
        for position in range(index.nConstraint):
            column = index.get_aConstraint_iColumn(position)
            if column >= _FIRST_PARAMETER and index.get_aConstraint_op(position) == apsw.SQLITE_INDEX_CONSTRAINT_EQ:
                if not index.get_aConstraint_usable(position):
                    return False
                chosen.setdefault(column, position)
        for number, column in enumerate(sorted(chosen), 1):
            index.set_aConstraintUsage_argvIndex(chosen[column], number)
            index.set_aConstraintUsage_omit(chosen[column], True)
        index.idxNum = sum(1 << column for column in chosen)
        index.estimatedRows = _ESTIMATED_ROWS
        index.estimatedCost = 2.0 * _ESTIMATED_ROWS
        return True

    def Open(self) -> _Cursor:  # noqa: N802
        return _Cursor()

    def Disconnect(self) -> None:  # noqa: N802
        """Do nothing: no data is kept."""

    Destroy = Disconnect


class _Cursor:
    def Filter(self, chosen: int, _name: str | None, arguments: Sequence[apsw.SQLiteValue]) -> None:  # noqa: N802
        given = iter(arguments)
        values = [next(given) if chosen >> column & 1 else _DEFAULTS[column - 1] for column in (1, 2, 3)]
        if not chosen & 2 or any(value is None for value in values):  # without `start`, or with a NULL, it has no rows
            values = [1, 0, 1]
        self._start, self._stop, step = (_whole(value) for value in values)
        self._step = step or 1
        self._value = self._start
        self._row = 0

    def Eof(self) -> bool:  # noqa: N802
        return self._value > self._stop if self._step > 0 else self._value < self._stop

    def Rowid(self) -> int:  # noqa: N802
        return self._row

    def Column(self, number: int) -> int:  # noqa: N802
        return (self._value, self._start, self._stop, self._step)[number] if number >= 0 else self._row

    def Next(self) -> None:  # noqa: N802
        self._value += self._step
        self._row += 1

    def Close(self) -> None:  # noqa: N802
        """Do nothing: no file is open."""


def _whole(value: apsw.SQLiteValue) -> int:
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return 0
