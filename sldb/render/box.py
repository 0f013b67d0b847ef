"""A table on a terminal: in a box, in colour, as wide as the screen.

A result is printed in the first of these ways for which the screen has room:

1.  Every cell whole, on one line.
2.  Every cell whole, the long ones on several lines, if their columns keep 30 characters.
3.  A single row vertically, one line for each cell.
4.  One line a row, with the cells that are too long for their column shortened, if columns keep 8 characters.
5.  Vertically.
6.  As 4, if columns keep 4 characters.
7.  Vertically, longer than the screen.

With `Screen.folds`, for the tables of commands, cells are folded in 4, and there is no 6: nothing is cut off. Columns
of numbers and times have whole cells.

For 4 and 6 the room is that for the width, as rows may scroll. `Screen.max_width` sets the width of the cells instead,
and excludes 2 and 3; 0 excludes 4 and 6, and columns are folded to 8 characters then, however long the result becomes.
Without `Screen.turns` nothing is printed vertically, but in full, beyond the edge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from lambda_handlers.wire import Result, Row, Value
from sldb import theme
from sldb.render import formats, shortening, text
from sldb.render.layout import Layout
from sldb.render.screen import Screen, shown_rows
from sldb.render.table import cell_text, write_table

_FOLDABLE, _READABLE, _LEAST = 30, 8, 4  # columns of a cell
_BATCH_ROWS = 2000
_RESET = "\x1b[0m"
_ROLES: Mapping[type, str] = {type(None): "null", int: "number", float: "number", bytes: "blob"}


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of a table."""

    name: str
    cells: Sequence[str]  # as they are printed; the lines of one are separated by \n
    values: Sequence[Value]
    is_numeric: bool
    width: int

    @property
    def is_whole(self) -> bool:
        """True for times, numbers and ranges of them."""
        return all(not isinstance(value, str) or _WHOLE.fullmatch(value) for value in self.values)

    @property
    def widest_word(self) -> int:
        """The width with whole cells below a name on several lines."""
        return max(text.widest(self.cells), text.widest(self.name.split(" ")))

    def limited(self, columns: int, note_from: int) -> _Column:
        """Return the column with its cells shortened to so many columns of the screen."""
        if self.width <= columns:
            return self
        cells = [
            shortening.shorten(cell, value, columns, note_from)
            for cell, value in zip(self.cells, self.values, strict=True)
        ]
        name = shortening.shorten(self.name, None, columns, note_from)
        return replace(self, name=name, cells=cells, width=max(text.width(name), text.widest(cells)))

    def folded(self, columns: int) -> _Column:
        """Return the column with its cells on as many lines as they need."""
        if self.width <= columns:
            return self
        cells = ["\n".join(shortening.fold(cell, columns)) for cell in self.cells]
        name = "\n".join(shortening.fold(self.name, columns))
        lines = [line for cell in (name, *cells) for line in cell.split("\n")]
        return replace(self, name=name, cells=cells, width=text.widest(lines))


_Table = list[_Column]
_WHOLE = re.compile(r"\d{4}-\d\d-\d\d[ T][\d:.]+(Z|[+-]\d\d:\d\d)|[\d.]*|gone", re.ASCII)


def write_on_screen(result: Result, out: TextIO, screen: Screen, layout: Layout) -> None:
    """Write at most `max_rows` of the result."""
    rows = shown_rows(result, screen)
    whole = _table(result, rows, layout)
    table = _fitting(whole, len(rows), screen, layout.header)
    if table is not None:
        _draw(table, len(rows), out, layout.header, is_coloured=screen.color)
    elif screen.turns:
        formats.write_vertical(replace(result, rows=rows), out, layout)
    else:
        write_table(replace(result, rows=rows), out, layout)


def _table(result: Result, rows: list[Row], layout: Layout) -> _Table:
    null = layout.null_or("NULL")
    by_column: Sequence[Sequence[Value]] = list(zip(*rows, strict=True)) or [()] * len(result.columns)
    table = []
    for column, numeric, values in zip(result.columns, formats.numeric_columns(result), by_column, strict=True):
        name = text.escape(column.name) if layout.header else ""
        cells = [cell_text(value, null) for value in values]
        table.append(_Column(name, cells, values, numeric, max(text.width(name), text.widest(cells))))
    return table


def _fitting(whole: _Table, rows: int, screen: Screen, header: bool) -> _Table | None:
    """Return the table as it fits on the screen; None if it is to be printed vertically."""
    limit = screen.max_width
    table = [column.limited(limit, screen.columns) for column in whole] if limit else whole
    if _widths(table, screen, max(column.width for column in table)) is not None:
        return table
    if limit == 0 or screen.folds:
        return _folded(table, screen, _READABLE)
    is_short_vertically = screen.turns and _is_short_vertically(whole, rows, screen)
    if limit is None and rows <= screen.free_lines:
        folded = _folded(table, screen, _FOLDABLE)
        if folded is not None and _height(folded, rows, header) <= screen.free_lines:
            return folded
        if rows == 1 and is_short_vertically:
            return None
    return _shortened(table, screen, _READABLE) or (None if is_short_vertically else _shortened(table, screen, _LEAST))


def _folded(table: _Table, screen: Screen, least: int) -> _Table | None:
    if (widths := _widths(table, screen, least)) is None:
        return None
    return [column.folded(columns) for column, columns in zip(table, widths, strict=True)]


def _shortened(table: _Table, screen: Screen, least: int) -> _Table | None:
    if (widths := _widths(table, screen, least)) is None:
        return None
    return [column.limited(columns, screen.columns) for column, columns in zip(table, widths, strict=True)]


def _widths(table: _Table, screen: Screen, least: int) -> list[int] | None:
    """Return the width of each column on the screen, `least` or more if it needs more; None if there is no room."""
    room = screen.columns - 3 * len(table) - 1
    if not screen.folds:
        return _shares(table, room, least)
    kept = [column for column in table if column.is_whole]
    shared = [column for column in table if not column.is_whole]
    shares = _shares(shared, room - sum(column.widest_word for column in kept), least)
    if shares is None:
        return None
    found = iter(shares)
    return [column.widest_word if column.is_whole else next(found) for column in table]


def _shares(table: _Table, room: int, least: int) -> list[int] | None:
    """Return the widths of columns that share the room: the widest of them share what the others leave."""
    if sum(min(column.width, least) for column in table) > room:
        return None
    most, above = least, max((column.width for column in table), default=0) + 1
    while above - most > 1:
        middle = (most + above) // 2
        if sum(min(column.width, middle) for column in table) <= room:
            most = middle
        else:
            above = middle
    spare = room - sum(min(column.width, most) for column in table)
    widths = []
    for column in table:
        gets_more = column.width > most and spare > 0
        spare -= gets_more
        widths.append(min(column.width, most) + gets_more)
    return widths


def _height(folded: _Table, rows: int, header: bool) -> int:
    """Return the number of lines of a table with its borders."""
    names = max(column.name.count("\n") + 1 for column in folded) + 1 if header else 0
    cells = sum(max(column.cells[row].count("\n") + 1 for column in folded) for row in range(rows))
    return 2 + names + cells


def _is_short_vertically(whole: _Table, rows: int, screen: Screen) -> bool:
    """Return True if all of it fits on the screen with a line for each cell."""
    if rows * (len(whole) + 1) > screen.free_lines:
        return False
    room = max(1, screen.columns - max(text.width(column.name) for column in whole) - 3)
    lines = rows
    for column in whole:
        for cell, value in zip(column.cells, column.values, strict=True):
            lines += max(1, -(-text.width(cell) // room)) + (value.count("\n") if isinstance(value, str) else 0)
    return lines <= screen.free_lines


def _draw(table: _Table, rows: int, out: TextIO, header: bool, *, is_coloured: bool) -> None:
    colours = theme.in_use() if is_coloured else theme.named("none")
    dim, reset = colours.begin("border"), _RESET if colours.begin("border") else ""
    header_styles = dict.fromkeys((*_ROLES, str), colours.begin("header"))
    styles = {kind: colours.begin(role) for kind, role in _ROLES.items()}
    left, between, right = f"{dim}│{reset} ", f" {dim}│{reset} ", f" {dim}│{reset}\n"

    def write(columns: Sequence[Sequence[str]]) -> None:
        out.write("".join([left + between.join(cells) + right for cells in zip(*columns, strict=True)]))

    def rule(begin: str, middle: str, end: str) -> str:
        return dim + begin + middle.join("─" * (column.width + 2) for column in table) + end + reset + "\n"

    out.write(rule("╭", "┬", "╮"))
    if header:
        names = [replace(column, cells=[column.name], values=[column.name]) for column in table]
        write(_lines(names, 0, 1, header_styles))
        out.write(rule("├", "┼", "┤"))
    for start in range(0, rows, _BATCH_ROWS):
        write(_lines(table, start, min(start + _BATCH_ROWS, rows), styles))
    out.write(rule("╰", "┴", "╯"))


def _lines(table: _Table, start: int, end: int, styles: Mapping[type, str]) -> list[list[str]]:
    """Return for each column the lines of its cells, filled up to its width. A row has equally many in all of them."""
    heights = None
    if any("\n" in cell for column in table for cell in column.cells[start:end]):
        heights = [max(column.cells[row].count("\n") for column in table) + 1 for row in range(start, end)]
    return [_filled(column, start, end, styles, heights) for column in table]


def _filled(
    column: _Column, start: int, end: int, styles: Mapping[type, str], heights: Sequence[int] | None
) -> list[str]:
    cells, values = column.cells[start:end], column.values[start:end]
    if heights is not None:
        folded = [cell.split("\n") for cell in cells]
        cells = [
            line for each, height in zip(folded, heights, strict=True) for line in each + [""] * (height - len(each))
        ]
        values = [value for value, height in zip(values, heights, strict=True) for _ in range(height)]
    filled = [text.pad(cell, column.width, right=column.is_numeric) for cell in cells]
    if not styles:
        return filled
    return [
        f"{style}{cell}{_RESET}" if (style := styles.get(type(value))) else cell
        for cell, value in zip(filled, values, strict=True)
    ]
