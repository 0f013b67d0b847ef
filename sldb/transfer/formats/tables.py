"""The tables of an input: a stream with columns and rows for each."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lambda_handlers.wire import SldbError
from sldb.transfer.files.input import STANDARD_INPUT, Input
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.delimited import DelimitedRows
from sldb.transfer.formats.json_rows import JsonRows
from sldb.transfer.formats.stream import RejectsLayout, Stream


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The options for reading inputs."""

    table: str | None = None
    format: str | None = None
    delimiter: str | None = None
    header: bool = True
    encoding: str = "utf-8"
    quoted: type[str] = str  # of the cells of a CSV in quotes


def read(source: Input, options: ReadOptions, bad: BadRows, standard_input: BinaryIO) -> Generator[Stream, None, None]:
    """Yield the streams; each must be read before the next is taken. Raises SldbError."""
    source.format = options.format or source.format
    if source.format in _OF_FILES:
        yield from _of_file(source, options, standard_input)
        return
    with source.opened(standard_input, options.encoding) as content:
        if source.format not in _OF_FILES:
            yield _of_text(source, options, bad, content)
            return
    if source.name == STANDARD_INPUT:
        raise SldbError(
            "bad_request",
            f"standard input holds {source.format}, which is detected too late",
            f"give --input-format {source.format}",
        )
    yield from _of_file(source, options, standard_input)


_OF_FILES = ("parquet", "sqlite", "sql")


def _of_text(source: Input, options: ReadOptions, bad: BadRows, content: BinaryIO) -> Stream:
    table, name = _table(source, options), source.shown
    encoding = "utf-8" if source.is_recoded else options.encoding
    if source.format in ("json", "jsonl"):
        rows = JsonRows(content, name, source.format == "jsonl", bad, encoding)
        layout = RejectsLayout(source.format, encoding=_written_in(source, options))
        return Stream(table, name, rows.columns, rows, text=lambda: rows.text, layout=layout)
    is_tsv = source.format == "tsv"
    cells = DelimitedRows(content, name, is_tsv, bad, options.delimiter, options.header, encoding, options.quoted)
    return Stream(
        table,
        name,
        cells.columns,
        cells,
        is_text=True,
        empty_is_null=is_tsv,
        text=lambda: cells.text,
        column_of=cells.column_of,
        layout=RejectsLayout(source.format, cells.header, cells.delimiter, _written_in(source, options)),
    )


def _written_in(source: Input, options: ReadOptions) -> str:
    """Return the encoding for rows of the input in a file that the same options read."""
    return "utf-8" if source.is_recoded and codecs.lookup(options.encoding).name == "utf-8" else options.encoding


def _of_file(source: Input, options: ReadOptions, standard_input: BinaryIO) -> Iterator[Stream]:
    with source.as_file(standard_input, options.encoding) as path:
        if source.format == "parquet":
            from sldb.transfer.formats import parquet

            yield parquet.read(path, _table(source, options), source.shown)
            return
        from sldb.transfer.formats import sqlite_input

        load = sqlite_input.read_dump if source.format == "sql" else sqlite_input.read_file
        yield from load(path, source.shown, options.table)


def _table(source: Input, options: ReadOptions) -> str:
    if options.table is None and source.name == STANDARD_INPUT:
        raise SldbError("bad_request", "standard input has no name for a table", "give --table NAME")
    return options.table or source.table
