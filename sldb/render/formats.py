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
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TextIO

from lambda_handlers.wire import Result, Row, Value
from sldb.render import literals, text, values
from sldb.render.cells import Cells
from sldb.render.delimited import csv_lines, tsv_lines
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
    names = ((_encode_json(name) + ": ").replace("%", "%%") for name in values.distinct(columns))
    template = "{" + ", ".join(name + "%s" for name in names) + "}"
    for cells in JSON_CELLS.rows(rows):
        line = template % cells
        yield line if line.isprintable() else text.escape_json(line)


_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _json_cell(value: Value) -> str:
    if isinstance(value, bytes):
        return _encode_json({"$base64": True, "encoded": base64.b64encode(value).decode("ascii")})
    if isinstance(value, float) and not math.isfinite(value):
        return _encode_json({"$float": repr(value)})
    return _encode_json(value)


def _json_reals(column: tuple[float, ...]) -> Iterable[str]:
    return map(repr if all(map(math.isfinite, column)) else _json_cell, column)


JSON_CELLS = Cells(
    _json_cell,
    {int: lambda column: map(str, column), float: _json_reals, str: lambda column: map(_encode_json, column)},
)


def insert_lines(columns: Sequence[str], rows: Iterable[Row], layout: Layout) -> Iterator[str]:
    names = literals.names(tuple(values.distinct(columns)))
    begin = f"INSERT INTO {literals.name(layout.table)}({names}) VALUES("
    return (f"{begin}{row});" for row in literals.rows(rows))


_MARKDOWN_ESCAPES = {"\\": "\\\\", "|": "\\|", "<": "&lt;", "&": "&amp;", "\n": "<br>"}
_MARKDOWN_ESCAPED = re.compile(r"[\\|<&\n]")


def _markdown_cell(value: Value, null: str) -> str:
    shown = values.plain(value, null)
    return text.escape(_MARKDOWN_ESCAPED.sub(lambda match: _MARKDOWN_ESCAPES[match.group()], shown))
