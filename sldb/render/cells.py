"""The cells of many rows as texts, column by column: a call into Python for each cell takes most of an export's time.

The values of a column are mostly of one type, and then one call of a built-in function makes the texts of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeAlias

from lambda_handlers.wire import Row, Value

ROWS = 2000  # at once: their values and texts stay in the processor's cache

# Of values of one type. The result is the same as that of `Cells.cell` for each of them.
ColumnTexts: TypeAlias = "Callable[[Any], Iterable[str]]"


@dataclass(frozen=True, slots=True)
class Cells:
    """The texts of values in one format."""

    cell: Callable[[Value], str]  # of any value
    of_type: Mapping[type, ColumnTexts]

    def rows(self, rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
        """Yield the texts of each row."""
        return chain.from_iterable(map(self._batch, _batches(rows)))

    def _batch(self, rows: list[Row]) -> Iterable[tuple[str, ...]]:
        return zip(*map(self.column, zip(*rows, strict=True)), strict=True)

    def column(self, values: tuple[Value, ...]) -> Iterable[str]:
        """Return the texts of the values of one column."""
        types = set(map(type, values))
        if len(types) == 2 and type(None) in types:
            return self._with_nulls(values)
        texts = self.of_type.get(types.pop()) if len(types) == 1 else None
        return map(self.cell, values) if texts is None else texts(values)

    def _with_nulls(self, values: tuple[Value, ...]) -> list[str]:
        null = self.cell(None)
        others = iter(self.column(tuple([value for value in values if value is not None])))
        return [null if value is None else next(others) for value in values]


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, ROWS)):
        yield batch
