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
    return _separated(columns, rows, ",", csv_cells(layout.null_or("")), layout)


def tsv_lines(columns: Sequence[str], rows: Iterable[Row], layout: Layout) -> Iterator[str]:
    return _separated(columns, rows, "\t", tsv_cells(layout.null), layout)


def _separated(
    columns: Sequence[str], rows: Iterable[Row], separator: str, cells: Cells, layout: Layout
) -> Iterator[str]:
    header = [separator.join(map(cells.cell, columns))] if layout.header else []
    return chain(header, map(separator.join, cells.rows(rows)))


def _cells(cell: Callable[[Value], str], texts: Callable[[tuple[str, ...]], Iterable[str]]) -> Cells:
    def reals(column: tuple[float, ...]) -> Iterable[str]:
        return map(repr if all(map(math.isfinite, column)) else values.number, column)

    return Cells(cell, {int: lambda column: map(str, column), float: reals, str: texts})


def csv_cells(null: str) -> Cells:
    """Return the texts of values. A text equal to the one for NULL is distinguished by quotes."""

    def text(value: str) -> str:
        return _quoted(value) if value == null or _needs_quotes(value) else value

    def texts(column: tuple[str, ...]) -> Iterable[str]:
        return column if null not in column and _needs_no_quotes(column) else map(text, column)

    shown_null = _quoted(null) if null and _needs_quotes(null) else null
    return _cells(lambda value: text(value) if isinstance(value, str) else values.plain(value, shown_null), texts)


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
    return _cells(lambda value: _tsv_text(value) if isinstance(value, str) else values.plain(value, shown_null), texts)


def _tsv_text(value: str) -> str:
    return value if value.isalnum() else _TSV_ESCAPED.sub(lambda match: _TSV_ESCAPES[match.group()], value)
