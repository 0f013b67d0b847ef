"""The model: the expected content of a database, from plain SQLite and the transactions of the log one after the other.

A state is the bytes of a database; the empty one is `EMPTY`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apsw

EMPTY = b""
Rows = list[tuple[Any, ...]]
Sql = Sequence[tuple[str, Sequence[Any]]]

_OURS = "_sldb_"  # tables that the product keeps in the same database
_GROUPS = ("BEGIN", "COMMIT")  # of a request: one of all its statements
_COUNTING = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Ran:
    """The results of statements, and the state after them."""

    rows: tuple[Rows, ...]  # of each statement
    counts: tuple[int | None, ...]  # rows changed; None where nobody counts them
    state: bytes


def run(state: bytes, statements: Sql) -> Ran:
    """Run statements as one transaction. Raises apsw.Error."""
    with _opened(state) as connection:
        alone = len(statements) == 1 and statements[0][0] == "VACUUM"
        if not alone:
            connection.execute("BEGIN")
        rows, counts = [], []
        for query, params in statements:
            if query in _GROUPS:
                rows.append([])
                counts.append(None)
                continue
            rows.append(list(connection.execute(query, params)))
            counts.append(connection.changes() if query.lstrip().startswith(_COUNTING) else None)
        if not alone:
            connection.execute("COMMIT")
        return Ran(tuple(rows), tuple(counts), connection.serialize("main"))


def fails(state: bytes, statements: Sql) -> bool:
    try:
        run(state, statements)
    except apsw.Error:
        return True
    return False


def content(state: bytes) -> Rows:
    """Return the content of a database: its schema and every row of every table. Raises apsw.Error."""
    try:
        return _content(state)
    except UnicodeDecodeError as error:
        raise apsw.CorruptError(str(error)) from error


def _content(state: bytes) -> Rows:
    with _opened(state) as connection:
        schema = list(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2"))
        kept = [row for row in schema if not row[2].startswith(_OURS)]
        found: Rows = [row for row in kept if not row[1].startswith("sqlite_")]
        for kind, name, _, _ in kept:
            if kind == "table":
                found += [(name, *row) for row in connection.execute(f'SELECT * FROM "{name}" ORDER BY 1')]
        return found


def is_sound(state: bytes) -> list[str]:
    """Return SQLite's complaints about a database: none."""
    with _opened(state) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found


@contextmanager
def _opened(state: bytes) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    try:
        if state:
            connection.deserialize("main", state)
        yield connection
    finally:
        connection.close()
