"""SQLite files as outputs, written with the server's own SQLite (apsw)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from lambda_handlers.wire import SldbError
from sldb.render import literals, values
from sldb.transfer.database import schema
from sldb.transfer.database.schema import Table
from sldb.transfer.database.selection import Selection, row_pages
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.database.virtual_table import keeps_data
from sldb.transfer.formats import dump
from sldb.transfer.formats.dump import Counted


def write(source: Snapshot, what: Selection | None, path: Path, counted: Counted) -> None:
    """Fill the empty file: with a table and its indexes, with rows as a table without types, or the whole database.

    The whole database is restored from its dump. Raises SldbError.
    """
    with _new_database(path) as connection:
        if what is None:
            for text in dump.dump(source):
                connection.execute(text)
            return
        with connection:  # one transaction
            if what.table is not None and what.table.kind == "table":
                _write_table(source, what.table, counted, connection)
            elif what.table is not None and what.table.kind == "virtual" and keeps_data(what.table.sql):
                for text in dump.virtual_table(source, what.table, counted):
                    connection.execute(text)
            else:
                _write_rows(what, counted, connection)


@contextmanager
def _new_database(path: Path) -> Iterator[apsw.Connection]:
    """Yield a new database in an empty file; unsynced, since it is not visible before it is complete."""
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        yield connection
    except apsw.Error as error:
        raise SldbError("bad_request", f"a SQLite file cannot be written: {error}") from error
    finally:
        connection.close(True)


def _write_table(source: Snapshot, table: Table, counted: Counted, connection: apsw.Connection) -> None:
    keeps_rowids = table.must_keep_rowids
    connection.execute(dump.ended(table.sql))
    begin = f"{table.rowid}," if keeps_rowids else ""
    holes = ",".join("?" * (len(table.columns) + keeps_rowids))
    insert = f"INSERT INTO {literals.name(table.name)} ({begin}{literals.names(table.columns)}) VALUES ({holes})"
    pages = source.scan(table.scan(table.columns)) if keeps_rowids else row_pages(source, table, table.columns)
    for page in counted(pages):
        connection.executemany(insert, page)
    for of_table, sql in schema.read_schema(source).indexes:
        if of_table == table.name:
            connection.execute(dump.ended(sql))


def _write_rows(what: Selection, counted: Counted, connection: apsw.Connection) -> None:
    name, columns = literals.name(what.name), literals.names(tuple(values.distinct(what.columns)))
    connection.execute(f"CREATE TABLE {name} ({columns})")
    placeholders = ",".join("?" * len(what.columns))
    for page in counted(what.pages):
        connection.executemany(f"INSERT INTO {name} VALUES ({placeholders})", page)
