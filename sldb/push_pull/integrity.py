"""The integrity of a SQLite file, as far as it can be checked here.

A file may need a collation or a function known only to its own program. `PRAGMA quick_check` then
fails before it checks anything. So the tables are checked one by one. If one cannot be checked, its rows are read,
which finds damaged pages, and it is reported as unchecked and not as damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import apsw

from sldb.render import literals

MAX_FINDINGS = 5
_CACHED_PAGES = 50  # a check comes to each page once or twice, far apart: more are only out of a core's cache


@dataclass(frozen=True, slots=True)
class Findings:
    damage: tuple[str, ...] = ()  # SQLite's messages
    unchecked: tuple[str, ...] = ()  # "table: reason"


def examine(connection: apsw.Connection) -> Findings:
    """Check the whole database. Raises apsw.Error if it cannot be read."""
    with _small_cache(connection):
        try:
            return Findings(_quick_check(connection))
        except apsw.SQLError:
            return _examine_each(connection)


@contextmanager
def _small_cache(connection: apsw.Connection) -> Iterator[None]:
    try:
        cached = connection.pragma("cache_size")
    except apsw.Error:  # a damaged schema, which the check reports
        yield
        return
    connection.pragma("cache_size", _CACHED_PAGES)
    try:
        yield
    finally:
        connection.pragma("cache_size", cached)


def not_checked(table: str) -> str:
    """Return the sentence about one of `unchecked`."""
    return f"note: not checked for damage: {table}; statements that need it fail in sldb"


def _examine_each(connection: apsw.Connection) -> Findings:
    damage: list[str] = []
    unchecked: list[str] = []
    for (name,) in list(connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'")):
        try:
            damage += _quick_check(connection, str(name))
        except apsw.SQLError as error:
            unchecked.append(f"{name}: {error}")
            damage += _read_rows(connection, str(name))
    return Findings(tuple(damage[:MAX_FINDINGS]), tuple(unchecked))


def _quick_check(connection: apsw.Connection, table: str | None = None) -> tuple[str, ...]:
    """Return SQLite's messages about damage in one table or in all."""
    argument = str(MAX_FINDINGS) if table is None else literals.name(table)
    try:
        found = [" ".join(str(row[0]).split()) for row in connection.execute(f"PRAGMA quick_check({argument})")]
    except apsw.CorruptError as error:
        return (str(error),)
    return () if found == ["ok"] else tuple(found)


def _read_rows(connection: apsw.Connection, table: str) -> tuple[str, ...]:
    """Read all rows without the indexes, and return the damage found so."""
    try:
        with suppress(apsw.SQLError):  # even reading may need the program's collation
            for _ in connection.execute(f"SELECT * FROM main.{literals.name(table)} NOT INDEXED"):
                pass
    except apsw.CorruptError as error:
        return (str(error),)
    return ()
