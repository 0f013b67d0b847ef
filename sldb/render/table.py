"""The tables for people. On a terminal rich draws the first rows, in colour and folded to its width; everywhere else
our own writer prints all rows, two hundred times as fast.

Numbers are aligned to the right, NULL differs from the text '' (and on a terminal from the text 'NULL' by its colour),
and no cell can control the terminal: see `sldb.render.text`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from lambda_handlers.wire import Result, Row, Value
from sldb.render import text, values
from sldb.render.formats import numeric_columns
from sldb.render.layout import Layout

if TYPE_CHECKING:
    from rich.text import Text

_BATCH_ROWS = 2000
_RICH_ROWS = 500  # rich needs 0.2 ms for a row


@dataclass(frozen=True, slots=True)
class Screen:
    """The terminal for a table."""

    columns: int
    color: bool
    max_rows: int  # 0: all
    turns: bool = True  # a table too wide is printed vertically; else in full, beyond the edge


def write_table(result: Result, out: TextIO, screen: Screen | None, layout: Layout) -> None:
    """Write the result; on a screen no more than its `max_rows`."""
    rows = result.rows if screen is None else shown_rows(result, screen)
    if screen is not None and len(rows) <= _RICH_ROWS and fits(result, screen, layout):
        _write_rich(result, rows, out, screen, layout)
    else:
        _write_plain(result, rows, out, layout)


def fits(result: Result, screen: Screen, layout: Layout) -> bool:
    """Return True if the table is readable on the screen: each column has its width, or at least 8 characters."""
    null = layout.null_or("NULL")
    needs = [
        max(text.width(cell) for cell in (column.name, *(_cell(row[i], null) for row in result.rows[:50])))
        for i, column in enumerate(result.columns)
    ]
    return sum(min(columns, 8) + 3 for columns in needs) + 1 <= screen.columns


def shown_rows(result: Result, screen: Screen) -> list[Row]:
    return result.rows[: screen.max_rows] if screen.max_rows else result.rows


def _write_plain(result: Result, rows: list[Row], out: TextIO, layout: Layout) -> None:
    null = layout.null_or("NULL")
    numeric = numeric_columns(result)
    names = [text.escape(column.name) if layout.header else "" for column in result.columns]
    cells = [[_cell(value, null) for value in row] for row in rows]
    widths = [
        max(text.width(name), text.widest(column))
        for name, column in zip(names, zip(*cells, strict=True) if cells else [()] * len(names), strict=True)
    ]
    if layout.header:
        out.write(_line(names, widths, numeric) + "\n")
        out.write("─┼─".join("─" * columns for columns in widths).join("──") + "\n")
    for start in range(0, len(cells), _BATCH_ROWS):
        out.write("".join(_lines(cells[start : start + _BATCH_ROWS], widths, numeric)))


def _lines(cells: list[list[str]], widths: list[int], numeric: list[bool]) -> Iterator[str]:
    for row in cells:
        yield _line(row, widths, numeric) + "\n"


def _line(cells: list[str], widths: list[int], numeric: list[bool]) -> str:
    padded = [text.pad(cell, columns, right=right) for cell, columns, right in zip(cells, widths, numeric, strict=True)]
    return (" " + " │ ".join(padded)).rstrip(" ")


def _cell(value: Value, null: str) -> str:
    if value is None:
        return text.escape(null)
    if isinstance(value, str):
        return value if value.isprintable() else text.escape(value)
    return values.plain(value, null)


def _write_rich(result: Result, rows: list[Row], out: TextIO, screen: Screen, layout: Layout) -> None:
    from rich.box import ROUNDED
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, width=screen.columns, no_color=not screen.color, force_terminal=screen.color)
    null = Text(text.escape(layout.null_or("NULL")), style="dim italic")
    table = Table(box=ROUNDED, border_style="dim", header_style="bold", show_header=layout.header)
    for column, numeric in zip(result.columns, numeric_columns(result), strict=True):
        table.add_column(Text(text.escape(column.name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(null if value is None else _rich_cell(value) for value in row))
    console.print(table)


def _rich_cell(value: int | float | str | bytes) -> Text:
    """Return a Text, never a str: rich would read [red] in a str as markup, and fail on [/foo]."""
    from rich.text import Text

    if isinstance(value, (int, float)):
        return Text(values.number(value), style="cyan")
    if isinstance(value, bytes):
        return Text(values.blob(value), style="magenta")
    return Text(text.escape(value))
