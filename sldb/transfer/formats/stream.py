"""A stream: the rows of one table of an input, to be read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lambda_handlers.wire import Value

Values = Sequence[Value]  # of one row


@dataclass(frozen=True, slots=True)
class Extra:
    """An addition to created tables: an index, a view, a counter."""

    sql: str
    of_table: str  # used only if that table is created; a view has its own name: used only if that is free
    params: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectsLayout:
    """The form of a file for rows of a stream, so that it can be imported like the stream."""

    format: str = "jsonl"  # csv, tsv, json, or jsonl
    header: str = ""  # the text before the first row, with its line end
    delimiter: str = ""
    encoding: str = "utf-8"


def _no_text() -> None:
    return None


def _first_column(_place: int) -> int:
    return 1


@dataclass(slots=True)
class Stream:
    """Rows for one table, to be read once."""

    table: str
    shown: str  # the source, for messages
    columns: list[str]  # grows while JSON is read
    rows: Iterable[tuple[int, Values]]  # (line or number of the row, values)
    is_text: bool = False  # values are text, converted by the columns' types
    empty_is_null: bool = False  # the empty text in a column of numbers is NULL
    create: str | None = None  # CREATE TABLE; None: by the types of the values
    has_rowid: bool = False  # the first value is the rowid, for a created table
    extras: tuple[Extra, ...] = ()
    is_of_dump: bool = False  # an SQL dump or a SQLite file: rows are copied unchanged, orphans too
    is_of_file: bool = False  # a SQLite file
    text: Callable[[], str | None] = _no_text  # of the row that was read last, as it is in the input
    column_of: Callable[[int], int] = _first_column  # where a cell of that row begins, from 1
    layout: RejectsLayout = RejectsLayout()
