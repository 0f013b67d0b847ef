"""A stream: the rows of one table of an input, to be read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambda_handlers.wire import Value

Values = Sequence[Value]  # of one row


@dataclass(frozen=True, slots=True)
class Extra:
    """An addition to created tables: an index, a view, a counter."""

    sql: str
    of_table: str  # used only if that table is created; a view has its own name: used only if that is free
    params: tuple[str | int, ...] = ()


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
