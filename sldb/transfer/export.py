"""The export: rows of a database to a file or a stream of bytes, in a format for programs.

csv tsv json jsonl   as `sldb query` prints them (sldb.render.formats)
insert               INSERT statements, as in a dump
parquet              see sldb.transfer.formats.parquet
sqlite               a SQLite file; without table and query, of the whole database
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from lambda_handlers.wire import Row, SldbError
from sldb.did_you_mean import with_suggestion
from sldb.file_formats import split_compression
from sldb.render import delimited, formats
from sldb.render.layout import Layout
from sldb.transfer.database.selection import Selection
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.files.output import open_output, replacing_file

FORMATS = ("csv", "tsv", "json", "jsonl", "insert", "parquet", "sqlite")
_FILES = ("parquet", "sqlite")
_LINES_PER_PIECE = 2000


def write(
    source: Snapshot,
    what: Selection | None,
    format_name: str,
    path: Path | None,
    standard_output: BinaryIO,
    layout: Layout,
) -> int | None:
    """Write `what`, or (None) the whole database, to `path` or to standard output.

    Return the number of rows; None if they were not counted: those of a database, or of an index that is copied as it
    is. Raises SldbError; then there is no file.
    """
    if format_name not in FORMATS:
        hint = with_suggestion(format_name, FORMATS, f"one of {', '.join(FORMATS)}")
        raise SldbError("bad_request", f"no format to export to: {format_name}", hint)
    if what is None and format_name != "sqlite":
        raise SldbError("bad_request", f"{format_name} holds one table: name it", "sldb export TABLE, or --query SQL")
    counted = _RowCounter()
    if format_name in _FILES:
        _write_file(source, what, format_name, path, counted)
    elif what is not None:
        with open_output(path, standard_output) as out:
            for piece in _texts(replace(what, pages=counted(what.pages)), format_name, layout):
                source.progress.advance(bytes=out.write(piece.encode()))
    return counted.rows


def _write_file(
    source: Snapshot, what: Selection | None, format_name: str, path: Path | None, counted: _RowCounter
) -> None:
    if path is None:
        raise SldbError("bad_request", f"{format_name} is not for standard output", "name a file: -o FILE")
    if split_compression(path.name)[1] is not None:
        raise SldbError(
            "bad_request", f"{path}: {format_name} files are not compressed as a whole", "leave .gz or .zst out"
        )
    with replacing_file(path) as unfinished:
        if format_name == "parquet":
            from sldb.transfer.formats import parquet

            assert what is not None
            parquet.write(source, replace(what, pages=counted(what.pages)), unfinished)
            return
        from sldb.transfer.formats import sqlite_output

        sqlite_output.write(source, what, unfinished, counted)


class _RowCounter:
    """Passes pages on, and counts their rows."""

    def __init__(self) -> None:
        self.rows: int | None = None  # until the first page is requested

    def __call__(self, pages: Iterable[list[Row]]) -> Iterator[list[Row]]:
        self.rows = self.rows or 0
        for page in pages:
            yield page
            self.rows += len(page)


def _json(lines: Iterator[str]) -> Iterator[str]:
    """Yield a JSON array of lines, each of which is an object."""
    start = "[\n"
    while batch := list(islice(lines, _LINES_PER_PIECE)):
        yield start + ",\n".join(batch)
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"


def _texts(what: Selection, format_name: str, layout: Layout) -> Iterator[str]:
    rows = formats.json_lines(what.columns, what.rows)
    if format_name == "json":
        return _json(rows)
    if format_name == "jsonl":
        return _pieces(rows)
    return _pieces(_LINES[format_name](what.columns, what.rows, layout))


_LINES = {"csv": delimited.csv_lines, "tsv": delimited.tsv_lines, "insert": formats.insert_lines}


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    iterator = iter(lines)
    while batch := list(islice(iterator, _LINES_PER_PIECE)):
        yield "\n".join(batch) + "\n"
