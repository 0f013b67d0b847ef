"""Whether a SQLite file is damaged, as far as that can be judged here.

A file may need what only the program has that made it: a collation or a function that the program registers with
SQLite. `PRAGMA quick_check` then fails before it looks at anything. So the tables are looked at one by one; of one that
cannot be checked the rows are read, which finds damaged pages, and it is told apart from what is damaged.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import apsw

MAX_FINDINGS = 5


@dataclass(frozen=True, slots=True)
class Findings:
    damage: tuple[str, ...] = ()  # in SQLite's words
    unchecked: tuple[str, ...] = ()  # table: why


def examine(connection: apsw.Connection) -> Findings:
    """Look at the whole database. Raises apsw.Error where it cannot be read."""
    try:
        return Findings(_quick_check(connection))
    except apsw.SQLError:
        return _examine_each(connection)


def not_checked(table: str) -> str:
    """Return the sentence about one of `unchecked`."""
    return f"note: not checked for damage: {table}; statements that need that fail in sldb"


def _examine_each(connection: apsw.Connection) -> Findings:
    damage: list[str] = []
    unchecked: list[str] = []
    for (name,) in list(connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'")):
        try:
            damage += _quick_check(connection, str(name))
        except apsw.SQLError as error:
            unchecked.append(f"{name}: {error}")
            damage += _read(connection, str(name))
    return Findings(tuple(damage[:MAX_FINDINGS]), tuple(unchecked))


def _quick_check(connection: apsw.Connection, table: str | None = None) -> tuple[str, ...]:
    """Return what is damaged, of one table or of all."""
    argument = str(MAX_FINDINGS) if table is None else _quoted(table)
    try:
        found = [" ".join(str(row[0]).split()) for row in connection.execute(f"PRAGMA quick_check({argument})")]
    except apsw.CorruptError as error:
        return (str(error),)
    return () if found == ["ok"] else tuple(found)


def _read(connection: apsw.Connection, table: str) -> tuple[str, ...]:
    """Read all rows, without the indexes, for the damage that this meets."""
    try:
        with suppress(apsw.SQLError):  # not even that can be done without the program's collation
            for _ in connection.execute(f"SELECT * FROM main.{_quoted(table)} NOT INDEXED"):
                pass
    except apsw.CorruptError as error:
        return (str(error),)
    return ()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
