"""Cells that the database would take, and an import refuses: the empty text as a key, and numbers that lose digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lambda_handlers.wire import Value
from sldb.transfer.formats.columns import is_huge
from sldb.transfer.formats.stream import Values
from sldb.transfer.loaded_stream import Refusal, empty_key
from sldb.transfer.target_columns import Column


@dataclass(frozen=True, slots=True)
class CellCheck:
    """A check of one column of a stream."""

    place: int  # of the stream
    cell: int  # its place in a row
    column: str
    reason: str  # for a refusal
    condition: str  # in SQL; `{cell}` is the column of staged rows
    is_refused: Callable[[Value], bool]

    def refusals(self, rows: Iterable[Values]) -> list[Refusal]:
        """Return the refusals of rows of the stream."""
        return [
            self.refusal(number)
            for number, row in enumerate(rows, start=1)
            if self.cell < len(row) and self.is_refused(row[self.cell])
        ]

    def refusal(self, row: int) -> Refusal:
        return Refusal(self.place, row, self.reason, self.column)


def empty_text(place: int, cell: int, column: str) -> CellCheck:
    """Refuse the empty text, which is NULL in this column, as a key."""
    return CellCheck(place, cell, column, empty_key(column), "{cell} = ''", _is_empty)


def huge_number(place: int, cell: int, column: Column, table: str) -> CellCheck:
    """Refuse a whole number of more than 64 bits in a column of whole numbers."""
    reason = (
        f"a whole number of more than 64 bits would lose digits in {table}.{column.name} ({column.type}); "
        "a TEXT column keeps them"
    )
    return CellCheck(place, cell, column.name, reason, _HUGE, _is_huge)


# The text of an integer plus 0 is a REAL if it is too large for an INTEGER.
_HUGE = (
    "typeof({cell}) = 'text' AND length({cell}) > 18 AND typeof({cell} + 0) = 'real' "
    "AND ({cell} GLOB '[1-9]*' OR {cell} GLOB '-[1-9]*') AND substr({cell}, 2) NOT GLOB '*[^0-9]*'"
)


def _is_empty(value: Value) -> bool:
    return value == ""


def _is_huge(value: Value) -> bool:
    return isinstance(value, str) and is_huge(value)
