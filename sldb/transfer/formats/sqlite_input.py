"""SQLite files and SQL dumps as inputs. A dump is loaded into a SQLite file on this machine first.

The server's own SQLite (apsw) reads it, so that the statements of a dump by the `sqlite3` shell (PRAGMA, BEGIN, rows of
sqlite_schema for virtual tables) work, and only tables and rows reach the server.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from lambda_handlers.wire import Row, SldbError
from sldb.render import literals
from sldb.render.values import folded
from sldb.transfer.database import schema
from sldb.transfer.database.schema import Schema, Table
from sldb.transfer.database.virtual_table import DumpMethod, dump_method, is_fts5
from sldb.transfer.formats.stream import Extra, Stream, Values

_MAX_CHARACTERS = 400_000_000  # of one statement: a blob of 100 MB as a literal, and more
_REFUSED = {apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH}


def read_file(path: Path, shown: str, only: str | None) -> Iterator[Stream]:
    """Yield the streams of a SQLite file. `only`: the one table to read. Raises `bad_request`."""
    for stream in _read_file(path, shown, only):
        stream.is_of_file = True
        yield stream


def _read_file(path: Path, shown: str, only: str | None) -> Iterator[Stream]:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise SldbError("bad_request", f"{shown} cannot be opened: {error}") from error
    try:
        yield from _streams(connection, shown, only)
    except apsw.Error as error:
        raise SldbError("bad_request", f"{shown} cannot be read: {error}") from error
    finally:
        connection.close(True)


def read_dump(path: Path, shown: str, only: str | None) -> Iterator[Stream]:
    """Yield the streams of SQL text. Raises `bad_request` with the line of a statement that fails."""
    with tempfile.TemporaryDirectory(prefix="sldb-") as directory:
        made = Path(directory) / "loaded.sqlite"
        with _empty(made) as connection:
            _load(path, shown, connection)
        yield from _read_file(made, shown, only)


@contextmanager
def _empty(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        connection.authorizer = lambda action, *_: apsw.SQLITE_DENY if action in _REFUSED else apsw.SQLITE_OK
        yield connection
    finally:
        connection.close(True)


def _load(path: Path, shown: str, connection: apsw.Connection) -> None:
    for line, statement in _statements(path, shown):
        try:
            connection.execute(statement)
        except apsw.Error as error:
            raise SldbError(
                "bad_request",
                f"{shown}:{line}:1: {error}",
                "a dump creates its tables itself; run statements for existing tables with sldb query -f FILE",
            ) from error
    if connection.in_transaction:
        raise SldbError("bad_request", f"{shown} ends before its COMMIT: is it complete?")


def _statements(path: Path, shown: str) -> Iterator[tuple[int, str]]:
    """Yield the statements, each with the number of its first line."""
    begun: list[str] = []
    size = first_line = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for number, line in enumerate(file, start=1):
                if not begun:
                    if not line.strip():
                        continue
                    first_line, size = number, 0
                begun.append(line)
                size += len(line)
                if ";" in line and apsw.complete("".join(begun)):
                    yield first_line, "".join(begun)
                    begun = []
                elif size > _MAX_CHARACTERS:
                    raise SldbError("bad_request", f"{shown}:{first_line}:1: this statement does not end")
        except UnicodeDecodeError as error:
            raise SldbError("bad_request", f"{shown} is not UTF-8 text: {error}") from error
    rest = "".join(begun)
    if re.sub(r"--[^\n]*|/\*.*?\*/|\s", "", rest, flags=re.DOTALL):
        yield first_line, rest


class _File:
    """A file as a source for `read_schema`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str) -> list[Row]:
        return list(self._connection.execute(sql))


def _streams(connection: apsw.Connection, shown: str, only: str | None) -> Iterator[Stream]:
    found = schema.read_schema(_File(connection))
    names = {folded(each) for each in (*(table.name for table in found.tables), *found.views)}
    tables = [table for table in found.tables if table.kind != "shadow" and only in (None, table.name)]
    if not tables:
        there = ", ".join(table.name for table in found.tables if table.kind != "shadow")
        what = "no tables" if only is None else f"no table {only}"
        raise SldbError("bad_request", f"{shown} has {what}", f"it has: {there}" if there else "")
    methods = {table.name: dump_method(table.sql, names) for table in tables if table.kind == "virtual"}
    for name, method in methods.items():
        if method is DumpMethod.SHADOWS:
            raise SldbError(
                "bad_request",
                f"{shown}: the virtual table {name} has content that SQL statements cannot restore",
                "sldb push copies a SQLite file unchanged; --table NAME imports one of the other tables",
            )
    for table in tables:
        extras = _extras(connection, found, table)
        if table is tables[-1] and only is None:
            extras += _database_extras(connection, found, methods)
        yield _stream(connection, table, shown, extras, is_empty=methods.get(table.name) is DumpMethod.REBUILD)


def _stream(connection: apsw.Connection, table: Table, shown: str, extras: list[Extra], is_empty: bool) -> Stream:
    keeps_rowid = table.rowid is not None and table.rowid_column is None and not table.sql.lower().count("using rtree")
    columns = [*([str(table.rowid)] if keeps_rowid else []), *table.columns]

    def rows() -> Iterator[tuple[int, Values]]:
        if is_empty:
            return
        order = f"ORDER BY {table.rowid}" if table.rowid and table.kind == "table" else ""
        names = ",".join([*([str(table.rowid)] if keeps_rowid else []), literals.names(table.columns)])
        try:
            found = connection.execute(f"SELECT {names} FROM {literals.name(table.name)} {order}")
            yield from enumerate(found, start=1)
        except apsw.SQLError as error:  # it needs a collation or function of another program
            hint = "sldb push copies a SQLite file unchanged"
            raise SldbError("bad_request", f"{shown} ({table.name}) cannot be read: {error}", hint) from error

    return Stream(
        table.name,
        f"{shown} ({table.name})",
        columns,
        rows(),
        create=table.sql,
        has_rowid=keeps_rowid,
        extras=tuple(extras),
        is_of_dump=True,
    )


def _extras(connection: apsw.Connection, found: Schema, table: Table) -> list[Extra]:
    """Return indexes, settings of FTS5, and the counter of AUTOINCREMENT of a table."""
    extras = [Extra(sql, table.name) for of_table, sql in found.indexes if of_table == table.name]
    if found.has_autoincrement:
        for (seq,) in connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)):
            extras.append(Extra("DELETE FROM sqlite_sequence WHERE name = ?", table.name, (table.name,)))
            extras.append(Extra("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table.name, (table.name, seq)))
    if table.kind == "virtual" and is_fts5(table.sql):
        name, settings = literals.name(table.name), literals.name(f"{table.name}_config")
        for key, value in connection.execute(f"SELECT k, v FROM {settings} WHERE k <> 'version'"):
            extras.append(Extra(f"INSERT INTO {name}({name}, rank) VALUES (?, ?)", table.name, (key, value)))
    return extras


def _database_extras(connection: apsw.Connection, found: Schema, methods: dict[str, DumpMethod]) -> list[Extra]:
    extras = [Extra(sql, name) for name, sql in found.views.items()]
    for name, method in methods.items():
        if method is DumpMethod.REBUILD:
            quoted = literals.name(name)
            extras.append(Extra(f"INSERT INTO {quoted}({quoted}) VALUES ('rebuild')", name))
    extras += [Extra(sql, of_table) for of_table, sql in found.triggers]
    for pragma in ("user_version", "application_id"):
        for (value,) in connection.execute(f"PRAGMA {pragma}"):
            extras += [Extra(f"PRAGMA {pragma} = {value}", "")] if value else []
    return extras
