"""Dumps restore the same database: in the sqlite3 shell, and in the SQLite of Python."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import given

from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.formats.dump import dump
from tests.fakes.databases.contents import Rows, contents
from tests.fakes.databases.random_database import databases
from tests.sldb.conftest import NewClient

SHELL = shutil.which("sqlite3")

RICH = """
CREATE TABLE posts (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, body TEXT, score REAL);
CREATE INDEX by_score ON posts (score DESC) WHERE score IS NOT NULL;
INSERT INTO posts (id, title, body, score) VALUES (1, 'it''s', 'a
b', 1e999), (5, 'ünïcode', NULL, 0.1), (9007199254740993, 'big', '', -1.5);
DELETE FROM posts WHERE id = 5;
CREATE TABLE log (what TEXT);
CREATE VIEW "a view" AS SELECT id, title FROM posts -- with a comment
;
CREATE TRIGGER noted AFTER INSERT ON posts BEGIN INSERT INTO log VALUES ('new; ' || new.title); END;
CREATE TRIGGER through INSTEAD OF INSERT ON "a view" BEGIN INSERT INTO posts (title) VALUES (new.title); END;
CREATE VIRTUAL TABLE words USING fts5(title, body UNINDEXED, tokenize = 'porter unicode61', prefix='2 3');
INSERT INTO words (rowid, title, body) VALUES (3, 'running dogs', 'x'), (7, 'a cat', NULL);
INSERT INTO words (words, rank) VALUES ('rank', 'bm25(2.0)');
CREATE VIRTUAL TABLE outside USING fts5(title, content='posts', content_rowid='id');
INSERT INTO outside (outside) VALUES ('rebuild');
CREATE VIRTUAL TABLE hollow USING fts5(z, content='');
INSERT INTO hollow (rowid, z) VALUES (4, 'found again');
CREATE VIRTUAL TABLE four USING fts4(q);
INSERT INTO four VALUES ('fourth text');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +note);
INSERT INTO boxes VALUES (1, 0.1, 2.5, 'aux'), (900, -7, 8, NULL);
CREATE TABLE strict_one (a INT, b ANY) STRICT;
INSERT INTO strict_one VALUES (1, x'00ff'), (2, 'text');
CREATE TABLE generated (a INT, b AS (a * 2) STORED, c AS (a + 1));
INSERT INTO generated (a) VALUES (21);
PRAGMA user_version = 42;
PRAGMA application_id = 7;
ANALYZE;
"""
SEARCHES = (
    "SELECT rowid, * FROM words WHERE words MATCH 'run' ORDER BY rank",
    "SELECT k, v FROM words_config WHERE k <> 'version'",
    "SELECT rowid, * FROM outside WHERE outside MATCH 'big'",
    "SELECT rowid FROM hollow WHERE hollow MATCH 'again'",
    "SELECT docid, * FROM four WHERE four MATCH 'text'",
    "SELECT * FROM boxes WHERE x0 < -1",
    'SELECT * FROM "a view"',
    "SELECT tbl, stat FROM sqlite_stat1 WHERE tbl = 'posts'",
)


def write(client: Client, *statements: Statement) -> None:
    client.execute(Request(statements))


def remote(client: Client) -> Rows:
    source = Snapshot(client)
    return lambda sql: source.result(sql).rows


def load_in_shell(sql: str, path: Path) -> None:
    assert SHELL is not None
    done = subprocess.run([SHELL, "-batch", "-bail", str(path)], input=sql.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


@pytest.fixture(params=["python", "shell", "apsw"])
def loaded(request: pytest.FixtureRequest, client: Client, tmp_path: Path) -> sqlite3.Connection | apsw.Connection:
    """The database made by the dump of RICH."""
    write(client, Statement(RICH))
    sql = "".join(dump(Snapshot(client)))
    path = tmp_path / "made.sqlite"
    if request.param == "shell":
        if SHELL is None:
            pytest.skip("needs the sqlite3 shell")
        load_in_shell(sql, path)
    connection = apsw.Connection(str(path)) if request.param == "apsw" else sqlite3.connect(path, isolation_level=None)
    if request.param == "apsw":
        connection.execute(sql)
    elif request.param == "python":
        connection.executescript(sql)  # type: ignore[union-attr]  # Python's
    # Rows of sqlite_schema that were written by hand count from the next opening on.
    connection.close()
    return apsw.Connection(str(path)) if request.param == "apsw" else sqlite3.connect(path)


def test_everything_is_made_again(loaded: sqlite3.Connection | apsw.Connection, client: Client) -> None:
    with closing(loaded):
        assert contents(loaded.execute) == contents(remote(client))
        for search in SEARCHES:
            assert [tuple(row) for row in loaded.execute(search)] == Snapshot(client).rows(search), search
        assert list(loaded.execute("PRAGMA integrity_check")) == [("ok",)]
        loaded.execute("INSERT INTO posts (title) VALUES ('next')")
        assert [*loaded.execute("SELECT max(id) FROM posts")] == [(9007199254740994,)]
        assert [*loaded.execute("SELECT * FROM log")] == [("new; next",)]


@given(statements=databases())
@pytest.mark.skipif(SHELL is None, reason="needs the sqlite3 shell")
def test_random_databases_pass_through_the_shell(
    new_client: NewClient, tmp_path_factory: pytest.TempPathFactory, statements: list[Statement]
) -> None:
    client = new_client()
    write(client, *statements)
    path = tmp_path_factory.mktemp("made") / "made.sqlite"
    load_in_shell("".join(dump(Snapshot(client))), path)
    with closing(sqlite3.connect(path)) as made:
        assert contents(made.execute) == contents(remote(client))


def test_rowids_that_counting_gives_are_not_written(client: Client) -> None:
    write(
        client,
        Statement("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); INSERT INTO t(rowid, a) VALUES (9, 3), (10, 4)"),
    )
    assert [line for line in "".join(dump(Snapshot(client))).splitlines() if "INSERT" in line] == [
        'INSERT INTO "t"("a") VALUES(1);',
        'INSERT INTO "t"("a") VALUES(2);',
        'INSERT INTO "t"(rowid,"a") VALUES(9,3);',
        'INSERT INTO "t"("a") VALUES(4);',
    ]


def test_the_tables_of_sldb_are_left_out(client: Client) -> None:
    write(client, Statement("CREATE TABLE t (a); ANALYZE"))
    assert Snapshot(client).result("SELECT count(*) FROM _sldb_requests").rows == [(1,)]
    assert "_sldb_" not in "".join(dump(Snapshot(client)))


def test_a_database_that_was_never_written_to_is_empty(client: Client) -> None:
    assert "".join(dump(Snapshot(client))) == "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n"


def test_one_moment_is_dumped_whoever_writes_meanwhile(client: Client) -> None:
    write(client, Statement("CREATE TABLE t (a); INSERT INTO t VALUES (1)"))
    text = dump(Snapshot(client))
    first = next(text)
    write(client, Statement("INSERT INTO t VALUES (2); CREATE TABLE later (b)"))
    whole = first + "".join(text)
    assert whole.count("INSERT") == 1
    assert "later" not in whole


def test_the_encoding_stays(client: Client, tmp_path: Path) -> None:
    write(
        client,
        Statement("PRAGMA encoding = 'UTF-16be'; CREATE TABLE t (a); INSERT INTO t VALUES ('é' || char(0) || '€')"),
    )
    with closing(sqlite3.connect(tmp_path / "made.sqlite")) as made:
        made.executescript("".join(dump(Snapshot(client))))
        assert [*made.execute("PRAGMA encoding")] == [("UTF-16be",)]
        assert [*made.execute("SELECT a FROM t")] == [("é\0€",)]
