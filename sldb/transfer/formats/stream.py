"""The rows of one table of an input, to be read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambda_handlers.wire import Value

Values = Sequence[Value]  # of one row


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
