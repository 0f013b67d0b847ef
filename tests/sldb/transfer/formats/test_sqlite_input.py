"""SQLite files and SQL dumps as inputs: whole databases come over, and single tables."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.client import Client
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.formats.dump import dump
from tests.fakes.databases.contents import Rows, contents
from tests.fakes.databases.random_database import databases
from tests.sldb.conftest import NewClient
from tests.sldb.transfer.formats.test_dump import RICH, SEARCHES
from tests.sldb.transfer.loading import load, rows, write

SHELL = shutil.which("sqlite3")


def remote(client: Client) -> Rows:
    source = Snapshot(client)
    return lambda sql: source.result(sql).rows


PUSHED = [line for line in RICH.split(";\n") if "hollow" not in line and " four " not in line]


@pytest.mark.parametrize("batch_rows", [2, 50_000])
@pytest.mark.parametrize("way", ["dump", "shell", "file"])
def test_a_database_comes_whole(client: Client, tmp_path: Path, way: str, batch_rows: int) -> None:
    """From a dump of ours, from one of the sqlite3 shell, from a file."""
    source, path = Client(client.target, "source"), tmp_path / "made.sqlite"
    write(source, ";\n".join(PUSHED))
    sql = "".join(dump(Snapshot(source)))
    with closing(sqlite3.connect(path)) as made:
        made.executescript(sql)
    if way == "shell":
        if SHELL is None:
            pytest.skip("needs the sqlite3 shell")
        sql = subprocess.run([SHELL, str(path), ".dump"], capture_output=True, check=True, encoding="utf-8").stdout
    (tmp_path / "made.sql").write_text(sql, newline="")
    target = Client(client.target, "copied")
    load(target, path if way == "file" else tmp_path / "made.sql", batch_rows=batch_rows)
    expected = contents(remote(source))
    if way == "shell":  # it leaves these out
        expected |= {"user_version": 0, "application_id": 0}
    assert contents(remote(target)) == expected
    for search in SEARCHES:
        if not any(word in search for word in ("hollow", "four", "sqlite_stat1")):
            assert rows(target, search) == rows(source, search), search
    write(target, "INSERT INTO posts (title) VALUES ('next')")
    assert rows(target, "SELECT max(id) FROM posts") == [(9007199254740994,)]


# Two counters of AUTOINCREMENT: each comes with its table, and so anew.
TWO_COUNTERS = [
    Statement(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO {name} VALUES (7)")
    for name in ("first", "second")
]


@given(statements=databases())
@example(statements=TWO_COUNTERS)
def test_random_databases_are_imported_as_they_were_dumped(
    new_client: NewClient, tmp_path_factory: pytest.TempPathFactory, statements: list[Statement]
) -> None:
    source, target = new_client(), new_client()
    source.execute(Request(tuple(statements)))
    path = tmp_path_factory.mktemp("dumped") / "main.sql"
    path.write_text("".join(dump(Snapshot(source))), newline="")
    load(target, path, batch_rows=3)
    assert contents(remote(target)) == contents(remote(source))


def told(client: Client) -> bool | None:
    """Return True if the database enforces foreign keys."""
    found = {one["name"]: one["foreign_keys"] for one in client.act("databases")["databases"]}
    return found.get(client.database)


FAMILY = (
    "CREATE TABLE child (of REFERENCES parent); INSERT INTO child VALUES (1), (999);"
    "CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1);"
)


@pytest.mark.parametrize("batch_rows", [1, 50_000])
def test_a_sqlite_file_comes_with_its_orphans(client: Client, tmp_path: Path, batch_rows: int) -> None:
    """A new database continues like SQLite; an existing one keeps its setting."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.executescript(FAMILY)
    load(client, tmp_path / "x.db", batch_rows=batch_rows)
    assert rows(client, "SELECT of FROM child") == [(1,), (999,)]
    assert told(client) is False
    other = Client(client.target, "other")
    write(other, "CREATE TABLE t (a)")
    load(other, tmp_path / "x.db", batch_rows=batch_rows)
    assert rows(other, "SELECT of FROM child") == [(1,), (999,)]
    assert told(other) is True


@pytest.mark.parametrize("batch_rows", [1, 50_000])
def test_a_dump_comes_with_its_orphans_into_a_database_of_ours(client: Client, tmp_path: Path, batch_rows: int) -> None:
    (tmp_path / "x.sql").write_text(f"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{FAMILY}\nCOMMIT;\n")
    load(client, tmp_path / "x.sql", batch_rows=batch_rows)
    assert rows(client, "SELECT of FROM child") == [(1,), (999,)]
    assert told(client) is True


def test_one_table_of_a_file(client: Client, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.executescript(
            "CREATE TABLE a (i); CREATE TABLE b (j); CREATE INDEX on_b ON b (j); INSERT INTO b VALUES (1)"
        )
    done = load(client, tmp_path / "x.db", table="b")
    assert done.tables == ("b",)
    assert rows(client, "SELECT name FROM sqlite_schema WHERE name NOT LIKE '_sldb%' AND sql NOT NULL") == [
        ("b",),
        ("on_b",),
    ]
    with pytest.raises(SldbError, match="has no table c") as caught:
        load(client, tmp_path / "x.db", table="c")
    assert caught.value.hint == "it has: a, b"


def test_rows_of_a_file_are_added_to_what_is_there(client: Client, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.executescript("CREATE TABLE a (i); INSERT INTO a (rowid, i) VALUES (1, 'new'), (7, 'newer')")
    write(client, "CREATE TABLE a (i)", "INSERT INTO a VALUES ('old')")
    load(client, tmp_path / "x.db")
    assert rows(client, "SELECT rowid, i FROM a") == [(1, "old"), (2, "new"), (3, "newer")]
