"""CSV and TSV (sldb.render.formats describes them), as lines without their ends."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from lambda_handlers.wire import Row, Value
from sldb.render import values
from sldb.render.cells import Cells
from sldb.render.layout import Layout


def csv_lines(columns: Sequence[str], rows: Iterable[Row], layout: Layout) -> Iterator[str]:
    cells = csv_cells(layout.null_or(""))
    header = map(cells.cell, values.distinct(columns)) if layout.header else None
    lines = _separated(header, rows, ",", cells)
    first = next(lines, None)
    if first is None:
        return lines
    if first != layout.null:
        first = _unmistakable(first, is_alone=len(columns) == 1)
    return chain(["sep=,"] if _SEPARATOR_LINE.match(first) else [], [first], lines)


def tsv_lines(columns: Sequence[str], rows: Iterable[Row], layout: Layout) -> Iterator[str]:
    cells = tsv_cells(layout.null)
    header = (cells.cell(name) or "\\N" for name in values.distinct(columns)) if layout.header else None
    lines = _separated(header, rows, "\t", cells)
    first = next(lines, None)
    return lines if first is None else chain([_MARK + first if first.startswith(_MARK) else first], lines)


def _separated(header: Iterable[str] | None, rows: Iterable[Row], separator: str, cells: Cells) -> Iterator[str]:
    beginning = [] if header is None else [separator.join(header)]
    return chain(beginning, map(separator.join, cells.rows(rows)))


_MARK = "\ufeff"  # at the beginning of a file it is no part of the text
_SEPARATOR_LINE = re.compile(r'"?sep=."?(?=[\r\n]|\Z)', re.IGNORECASE)  # what Excel obeys, and `sldb import`
_OTHER_SEPARATORS = re.compile(r"[;\t|]")


def _unmistakable(first: str, is_alone: bool) -> str:
    """Return the first line with its first cell in quotes if a reader would take a part of it for a byte order mark,
    or, where the cell is alone, for another separator."""
    cell, comma, rest = first.partition(",")
    if cell.startswith('"') or not (cell.startswith(_MARK) or (is_alone and _OTHER_SEPARATORS.search(cell))):
        return first
    return _quoted(cell) + comma + rest


def _cells(null: str, text: Callable[[str], str], texts: Callable[[tuple[str, ...]], Iterable[str]]) -> Cells:
    """Return the texts of values. `text` and `texts`: those of texts, of one and of a column of them."""

    def cell(value: Value) -> str:
        if isinstance(value, str):
            return text(value)
        return _real(value) if isinstance(value, float) else values.plain(value, null)

    def reals(column: tuple[float, ...]) -> Iterable[str]:
        return map(repr if all(map(math.isfinite, column)) else _real, column)

    return Cells(cell, {int: lambda column: map(str, column), float: reals, str: texts})


def _real(value: float) -> str:
    """Return the text of a number; SQLite, Python and most others read an infinity from one out of range."""
    return ("-9e999" if value < 0 else "9e999") if math.isinf(value) else values.number(value)


def csv_cells(null: str) -> Cells:
    """Return the texts of values. A text equal to the one for NULL is distinguished by quotes."""

    def text(value: str) -> str:
        return _quoted(value) if value == null or _needs_quotes(value) else value

    def texts(column: tuple[str, ...]) -> Iterable[str]:
        return column if null not in column and _needs_no_quotes(column) else map(text, column)

    shown_null = _quoted(null) if null and _needs_quotes(null) else null
    return _cells(shown_null, text, texts)


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _needs_quotes(value: str) -> bool:
    return not value or '"' in value or "," in value or "\n" in value or "\r" in value or value.strip() != value


def _needs_no_quotes(column: tuple[str, ...]) -> bool:
    lines = "\n".join(column)
    return (
        lines.count("\n") == len(column) - 1
        and not ('"' in lines or "," in lines or "\r" in lines or "" in column)
        and tuple(map(str.strip, column)) == column
    )


_TSV_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_TSV_ESCAPED = re.compile(r"[\\\t\n\r]")


def tsv_cells(null: str | None) -> Cells:
    def texts(column: tuple[str, ...]) -> Iterable[str]:
        joined = "".join(column)
        return map(_tsv_text, column) if any(each in joined for each in _TSV_ESCAPES) else column

    shown_null = "\\N" if null is None else _tsv_text(null)
    return _cells(shown_null, _tsv_text, texts)


def _tsv_text(value: str) -> str:
    return value if value.isalnum() else _TSV_ESCAPED.sub(lambda match: _TSV_ESCAPES[match.group()], value)
