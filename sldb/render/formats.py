"""The formats json, jsonl, csv, tsv and insert for programs, markdown and vertical for documents.

Each function writes one result.

json      one array of objects, one row a line; `[]` without rows. jsonl: the objects alone.
          Integers are exact, a blob is {"$base64": true, "encoded": …}, an infinity {"$float": "inf"}.
          Columns of the same name become id, id:1, … so that none is lost.
csv       RFC 4180 with \\n. NULL is nothing between the commas, the empty text is "".
tsv       one row a line, for any values: \\t \\n \\r \\\\ in cells are escaped, NULL is \\N.
markdown  a table of GitHub's kind.
vertical  one line for each cell, for wide rows.
insert    INSERT statements, for any SQLite.

A `Layout` may choose the text for NULL (not in json, jsonl and insert, with their own word for it), leave out the
header, and name the table of the INSERTs.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TextIO

from lambda_handlers.wire import Result, Row, Value
from sldb.render import literals, text, values
from sldb.render.layout import Layout

_BATCH_ROWS = 2000  # per write: a closed pipe or a key press is noticed in time, and writes cost little


def write_json(result: Result, out: TextIO, _layout: Layout) -> None:
    if not result.rows:
        out.write("[]\n")
        return
    out.write("[\n")
    for start, batch in _batches(json_lines(_names(result), result.rows)):
        out.write((",\n" if start else "") + ",\n".join(batch))
    out.write("\n]\n")


def write_jsonl(result: Result, out: TextIO, _layout: Layout) -> None:
    _write_lines(json_lines(_names(result), result.rows), out)


def write_csv(result: Result, out: TextIO, layout: Layout) -> None:
    _write_lines(csv_lines(_names(result), result.rows, layout), out)


def write_tsv(result: Result, out: TextIO, layout: Layout) -> None:
    _write_lines(tsv_lines(_names(result), result.rows, layout), out)


def write_markdown(result: Result, out: TextIO, layout: Layout) -> None:
    null = layout.null_or("NULL")
    names = [_markdown_cell(column.name, null) for column in result.columns]
    rules = ["---:" if numeric else "---" for numeric in numeric_columns(result)]
    rows = ([_markdown_cell(value, null) for value in row] for row in result.rows)

    def lines() -> Iterator[str]:
        for cells in (names, rules, *rows) if layout.header else rows:
            yield f"| {' | '.join(cells)} |"

    _write_lines(lines(), out)


def write_vertical(result: Result, out: TextIO, layout: Layout) -> None:
    names = [text.escape(column.name) for column in result.columns]
    null = layout.null_or("NULL")
    widest = max((text.width(name) for name in names), default=0)
    labels = [text.pad(name, widest) + " │ " for name in names]
    continued = "\n" + " " * widest + " │ "

    def lines() -> Iterator[str]:
        for position, row in enumerate(result.rows, start=1):
            yield f"── row {position} ".ljust(widest + 12, "─")
            for label, value in zip(labels, row, strict=True):
                yield label + text.escape_lines(values.plain(value, null)).replace("\n", continued)

    _write_lines(lines(), out)


def write_insert(result: Result, out: TextIO, layout: Layout) -> None:
    _write_lines(insert_lines(_names(result), result.rows, layout), out)


def numeric_columns(result: Result) -> list[bool]:
    """Return for each column True if it holds only numbers (and NULL), judged by the first rows."""
    sample = result.rows[:1000]
    return [
        any(row[i] is not None for row in sample)
        and all(isinstance(row[i], (int, float, type(None))) for row in sample)
        for i in range(len(result.columns))
    ]


def _write_lines(lines: Iterator[str], out: TextIO) -> None:
    for _, batch in _batches(lines):
        out.write("\n".join(batch) + "\n")


def _batches(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    start = 0
    while batch := list(islice(lines, _BATCH_ROWS)):
        yield start, batch
        start += len(batch)


def _names(result: Result) -> list[str]:
    return [column.name for column in result.columns]


def json_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield one object for each row."""
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    names = values.distinct(columns)
    for row in rows:
        line = encode({name: _json_value(value) for name, value in zip(names, row, strict=True)})
        yield line if line.isprintable() else text.escape_json(line)


def _json_value(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"$base64": True, "encoded": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    return value


def csv_lines(columns: Sequence[str], rows: Iterable[Row], layout: Layout) -> Iterator[str]:
    return _separated(columns, rows, ",", _csv_cells(layout.null_or("")), layout)


def tsv_lines(columns: Sequence[str], rows: Iterable[Row], layout: Layout) -> Iterator[str]:
    return _separated(columns, rows, "\t", _tsv_cells(layout.null), layout)


def insert_lines(columns: Sequence[str], rows: Iterable[Row], layout: Layout) -> Iterator[str]:
    names = literals.names(tuple(values.distinct(columns)))
    begin = f"INSERT INTO {literals.name(layout.table)}({names}) VALUES("
    return (f"{begin}{literals.row(row)});" for row in rows)


def _separated(
    columns: Sequence[str], rows: Iterable[Row], separator: str, cell: Callable[[Value], str], layout: Layout
) -> Iterator[str]:
    if layout.header:
        yield separator.join([cell(name) for name in columns])
    for row in rows:
        yield separator.join([cell(value) for value in row])


_CSV_QUOTED = re.compile(r'[",\r\n]|^\s|\s$|^$')


def _csv_cells(null: str) -> Callable[[Value], str]:
    """Return the function for one cell. A text equal to the one for NULL is distinguished by quotes."""

    def cell(value: Value) -> str:
        if not isinstance(value, str):
            return str(value) if type(value) is int else values.plain(value, shown_null)
        if value != null and (value.isalnum() or not must_quote(value)):
            return value
        return '"' + value.replace('"', '""') + '"'

    must_quote = _CSV_QUOTED.search
    shown_null = cell(null) if null and must_quote(null) else null
    return cell


_TSV_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_TSV_ESCAPED = re.compile(r"[\\\t\n\r]")


def _tsv_cells(null: str | None) -> Callable[[Value], str]:
    shown_null = "\\N" if null is None else _tsv_text(null)

    def cell(value: Value) -> str:
        if not isinstance(value, str):
            return str(value) if type(value) is int else values.plain(value, shown_null)
        return value if value.isalnum() else _tsv_text(value)

    return cell


def _tsv_text(value: str) -> str:
    return _TSV_ESCAPED.sub(lambda match: _TSV_ESCAPES[match.group()], value)


_MARKDOWN_ESCAPES = {"\\": "\\\\", "|": "\\|", "<": "&lt;", "&": "&amp;", "\n": "<br>"}
_MARKDOWN_ESCAPED = re.compile(r"[\\|<&\n]")


def _markdown_cell(value: Value, null: str) -> str:
    shown = values.plain(value, null)
    return text.escape(_MARKDOWN_ESCAPED.sub(lambda match: _MARKDOWN_ESCAPES[match.group()], shown))
