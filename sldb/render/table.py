"""The table in a pipe or file: all rows, whole, each column as wide as its widest cell.

Numbers are aligned to the right, NULL differs from the text '', and no cell can control a terminal: see
`sldb.render.text`. The table on a terminal is `sldb.render.box`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from lambda_handlers.wire import Result, Value
from sldb.render import text, values
from sldb.render.formats import numeric_columns
from sldb.render.layout import Layout

_BATCH_ROWS = 2000


def write_table(result: Result, out: TextIO, layout: Layout) -> None:
    null = layout.null_or("NULL")
    by_column: Sequence[Sequence[Value]] = list(zip(*result.rows, strict=True)) or [()] * len(result.columns)
    cells = [[cell_text(value, null) for value in values] for values in by_column]
    names = [text.escape(column.name) if layout.header else "" for column in result.columns]
    widths = [max(text.width(name), text.widest(column)) for name, column in zip(names, cells, strict=True)]
    numeric = numeric_columns(result)
    if layout.header:
        out.write(_lines([[name] for name in names], widths, numeric))
        out.write("─┼─".join("─" * columns for columns in widths).join("──") + "\n")
    for start in range(0, len(result.rows), _BATCH_ROWS):
        out.write(_lines([column[start : start + _BATCH_ROWS] for column in cells], widths, numeric))


def _lines(cells: list[list[str]], widths: list[int], numeric: list[bool]) -> str:
    padded = [
        [text.pad(cell, columns, right=right) for cell in column]
        for column, columns, right in zip(cells, widths, numeric, strict=True)
    ]
    return "".join([f" {' │ '.join(row)}".rstrip(" ") + "\n" for row in zip(*padded, strict=True)])


def cell_text(value: Value, null: str) -> str:
    """Return the text of a cell, on one line."""
    if value is None:
        return text.escape(null)
    if isinstance(value, str):
        return value if value.isprintable() else text.escape(value)
    return values.plain(value, null)
