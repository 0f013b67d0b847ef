"""The objects of sldb's own in a SQLite file: tables named `_sldb_…`, as in a pulled file. A push leaves them out,
since the request log of the pulled database does not belong to the new database.

The file itself is not touched: it is copied by SQLite's backup, and the objects are dropped in the copy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from lambda_handlers.wire import SldbError
from sldb.render import literals
from sldb.transfer.database.schema import is_reserved

_KINDS = ("trigger", "view", "index", "table")  # in the order of dropping


def find(connection: apsw.Connection) -> list[tuple[str, str]]:
    """Return kind and name of each object of sldb's own."""
    rows = connection.execute("SELECT type, name FROM main.sqlite_schema WHERE sql NOT NULL").fetchall()
    return [(str(kind), str(name)) for kind, name in rows if kind in _KINDS and is_reserved(name)]


@contextmanager
def copy_without(connection: apsw.Connection, path: Path, found: list[tuple[str, str]]) -> Iterator[Path]:
    """Yield a temporary copy of the database without the found objects. `path`: of the original, for messages.

    Raises `bad_request`.
    """
    with tempfile.TemporaryDirectory(prefix="sldb-push-") as directory:
        copied = Path(directory) / "copy.sqlite"
        with _opened(copied) as copy:
            with copy.backup("main", connection, "main") as backup:
                backup.step()
            copy.execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
            _drop(copy, path, found)
        yield copied


@contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path))
    try:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        yield connection
    finally:
        connection.close(True)


def _drop(copy: apsw.Connection, path: Path, found: list[tuple[str, str]]) -> None:
    _check_shadows(copy, path)
    with copy:
        for kind, name in sorted(found, key=lambda one: _KINDS.index(one[0])):
            try:
                copy.execute(f"DROP {kind.upper()} IF EXISTS main.{literals.name(name)}")
            except apsw.Error as error:
                raise SldbError(
                    "bad_request",
                    f"{path}: {name} has a name that is reserved for sldb, and cannot be left out: {error}",
                    "drop it in a copy of the file, and push that",
                ) from error


def _check_shadows(copy: apsw.Connection, path: Path) -> None:
    """Raise `bad_request` for a virtual table `_sldb`: the tables of its data would have names of sldb's own."""
    sql = "SELECT name FROM main.sqlite_schema WHERE lower(name) = '_sldb' AND sql LIKE 'CREATE VIRTUAL%'"
    for (name,) in copy.execute(sql).fetchall():
        raise SldbError(
            "bad_request",
            f"{path}: the virtual table {name} keeps its data in tables with names that are reserved for sldb",
            "rename it in a copy of the file, and push that",
        )
