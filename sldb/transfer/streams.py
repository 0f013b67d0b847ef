"""What an input holds: for each table of it, its columns and rows."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lambda_handlers.wire import SldbError
from sldb.transfer.batches import Values
from sldb.transfer.delimited import Delimited
from sldb.transfer.inputs import STANDARD_INPUT, Input
from sldb.transfer.json_rows import JsonRows
from sldb.transfer.places import BadRows


@dataclass(frozen=True, slots=True)
class Extra:
    """Something that comes with tables that are made: an index, a view, a counter."""

    sql: str
    of_table: str  # only where that table is made; of a view its own name: only where there is nothing of that name
    params: tuple[str | int, ...] = ()


@dataclass(slots=True)
class Stream:
    """Rows for one table, to be read once."""

    table: str
    shown: str  # what they come from, for messages
    columns: list[str]  # grows while JSON is read
    rows: Iterable[tuple[int, Values]]  # (line or number of the row, values)
    is_text: bool = False  # values come as text, and the columns' types make of them what they are
    empty_is_null: bool = False  # the empty text in a column of numbers is NULL
    create: str | None = None  # the SQL that makes the table; None: by the types of what is in it
    has_rowid: bool = False  # the first value is the rowid, for a table that is made
    extras: tuple[Extra, ...] = ()
    is_of_dump: bool = False  # an SQL dump or a SQLite file: rows are brought as they are, orphans too
    is_of_file: bool = False  # a SQLite file


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
            from sldb.transfer import parquet

            yield parquet.read(path, _table(source, how), source.shown)
            return
        from sldb.transfer import sqlite_source

        load = sqlite_source.of_dump if source.format == "sql" else sqlite_source.of_file
        yield from load(path, source.shown, how.table)


def _table(source: Input, how: Reading) -> str:
    if how.table is None and source.name == STANDARD_INPUT:
        raise SldbError("bad_request", "standard input has no name to call a table by", "say --table NAME")
    return how.table or source.table
