"""What an input holds: for each table of it, its columns and rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lambda_handlers.wire import SldbError
from sldb.transfer.files.input import STANDARD_INPUT, Input
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.delimited import Delimited
from sldb.transfer.formats.json_rows import JsonRows
from sldb.transfer.formats.stream import Stream


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs are read."""

    table: str | None = None
    format: str | None = None
    delimiter: str | None = None
    header: bool = True
    encoding: str = "utf-8"


def read(source: Input, how: Reading, bad: BadRows, standard_input: BinaryIO) -> Generator[Stream, None, None]:
    """The streams one after the other; each must be read before the next is asked for. Raises SldbError."""
    source.format = how.format or source.format
    if source.format in _OF_FILES:
        yield from _of_file(source, how, standard_input)
        return
    with source.opened(standard_input) as content:
        if source.format not in _OF_FILES:
            yield _of_text(source, how, bad, content)
            return
    if source.name == STANDARD_INPUT:
        raise SldbError(
            "bad_request",
            f"standard input holds {source.format}, which is known too late",
            f"say --input-format {source.format}",
        )
    yield from _of_file(source, how, standard_input)


_OF_FILES = ("parquet", "sqlite", "sql")


def _of_text(source: Input, how: Reading, bad: BadRows, content: BinaryIO) -> Stream:
    table, name = _table(source, how), source.shown
    if source.format in ("json", "jsonl"):
        rows = JsonRows(content, name, source.format == "jsonl", bad, how.encoding)
        return Stream(table, name, rows.columns, rows)
    is_tsv = source.format == "tsv"
    cells = Delimited(content, name, is_tsv, bad, how.delimiter, how.header, how.encoding)
    return Stream(table, name, cells.columns, cells, is_text=True, empty_is_null=is_tsv)


def _of_file(source: Input, how: Reading, standard_input: BinaryIO) -> Iterator[Stream]:
    with source.as_file(standard_input) as path:
        if source.format == "parquet":
            from sldb.transfer.formats import parquet

            yield parquet.read(path, _table(source, how), source.shown)
            return
        from sldb.transfer.formats import sqlite_input

        load = sqlite_input.of_dump if source.format == "sql" else sqlite_input.of_file
        yield from load(path, source.shown, how.table)


def _table(source: Input, how: Reading) -> str:
    if how.table is None and source.name == STANDARD_INPUT:
        raise SldbError("bad_request", "standard input has no name to call a table by", "say --table NAME")
    return how.table or source.table
