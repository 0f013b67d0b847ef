"""Whole files there and back: unchanged, as of one moment, over older content."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_handlers.store.protocol import PART_BYTES
from lambda_handlers.wire import Request, SldbError, Statement
from sldb.client import Client
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.sqlite_files import RECIPES, Recipe
from tests.sldb.push_pull.whole_files import pull, push, rows

PLAIN = Recipe(4096, False, "none", 100, 200, 30, False, False, False, False, 7, 1)
EVERYTHING = Recipe(512, True, "incremental", 300, 900, 30, True, True, True, False, -1, 2)


@given(RECIPES)
@example(PLAIN)
@example(EVERYTHING)
@settings(max_examples=40)
def test_a_file_comes_back_as_it_was(new_client, recipe):
    client = new_client()
    with tempfile.TemporaryDirectory() as name:
        file, out = Path(name, "in.db"), Path(name, "out.db")
        with closing(sqlite_files.make(file, recipe)) as connection:
            beside = sorted(os.listdir(name))
            reply = push(client, file)
            assert sorted(os.listdir(name)) == beside
            expected_rows = connection.execute("SELECT count(*), sum(length(body)) FROM t").fetchall()
        pulled = pull(client, out)
        # Closing the connection has brought the WAL into the file.
        assert sqlite_files.dump(out) == sqlite_files.dump(file)
        assert sqlite_files.pages(out) == sqlite_files.pages(file)
        assert (pulled["txid"], pulled["page_size"]) == (reply["txid"], recipe.page_size)
        assert out.read_bytes()[18:20] == b"\1\1"
        assert rows(client, "SELECT count(*), sum(length(body)) FROM t") == expected_rows


def enforces(client: Client) -> bool | None:
    """Return the setting of the client's database in `databases`, among those of other tests."""
    told = {one["name"]: one["foreign_keys"] for one in client.act("databases")["databases"]}
    return told[client.database]


def test_a_file_that_is_pushed_is_as_sqlite_has_it(new_client, tmp_path):
    """Foreign keys are not enforced, even in a file pulled from a database with enforced ones, or pushed over one."""
    client = new_client()
    client.execute(Request((Statement("CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p)"),)))
    assert enforces(client) is True
    pull(client, tmp_path / "out.db")
    with closing(sqlite3.connect(tmp_path / "out.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("INSERT INTO c VALUES (1)")
        connection.commit()
    push(client, tmp_path / "out.db")
    assert enforces(client) is False
    assert rows(client, "INSERT INTO c VALUES (2); SELECT count(*) FROM c; PRAGMA foreign_keys") == [(0,)]
    client.act("set_database", foreign_keys=True)
    with pytest.raises(SldbError, match="FOREIGN KEY"):
        rows(client, "INSERT INTO c VALUES (3)")


@given(st.lists(RECIPES, min_size=2, max_size=4))
@settings(max_examples=15)
def test_one_after_the_other_each_stays_readable(new_client, recipes):
    client = new_client()
    with tempfile.TemporaryDirectory() as name:
        pushed: list[tuple[int, Path]] = []
        for number, recipe in enumerate(recipes):
            file = Path(name, f"{number}.db")
            sqlite_files.make(file, recipe).close()
            reply = push(client, file)
            pushed.append((reply["txid"], file))
            assert reply["before"] == reply["txid"] - 1
            rows(client, "INSERT INTO t (x) VALUES ('after')")
        for txid, file in pushed:
            out = Path(name, f"{txid}.out")
            pull(client, out, txid)
            assert sqlite_files.dump(out) == sqlite_files.dump(file)
            assert sqlite_files.pages(out) == sqlite_files.pages(file)
        newest = Path(name, "newest")
        pull(client, newest)
        connection = sqlite3.connect(newest)
        assert connection.execute("SELECT count(*) FROM t WHERE x = 'after'").fetchone() == (1,)
        connection.close()


@pytest.mark.parametrize("is_in_use", [False, True])
def test_a_file_that_was_pulled_comes_back_without_the_log_of_requests(new_client, file, tmp_path, is_in_use):
    client, other, out = new_client(), new_client(), tmp_path / "out.db"
    push(client, file)
    applied = client.execute(Request((Statement("INSERT INTO t (x) VALUES ('after')"),), request_id="r"))
    pull(client, out)
    with closing(sqlite3.connect(out)) as connection:
        if is_in_use:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("INSERT INTO t (x) VALUES ('in the WAL')")
            connection.commit()
        before = out.read_bytes()
        reply = push(other, out)
        assert out.read_bytes() == before
    assert reply["sent_bytes"] > 0
    assert rows(other, "SELECT name FROM sqlite_schema WHERE name LIKE '\\_sldb\\_%' ESCAPE '\\'") == []
    assert rows(other, "SELECT count(*) FROM t") == [(301 + is_in_use,)]
    assert rows(other, "PRAGMA integrity_check") == [("ok",)]
    assert other.act("result", request_id="r")["state"] == "not_applied"
    assert client.act("result", request_id="r")["txid"] == applied.txid


def test_what_was_there_comes_back_with_restore(new_client, file):
    client = new_client()
    rows(client, "PRAGMA user_version = 5; CREATE TABLE old (x); INSERT INTO old VALUES ('here')")
    cookie = rows(client, "PRAGMA schema_version")[0][0]
    reply = push(client, file)
    assert rows(client, "PRAGMA schema_version")[0][0] > cookie
    assert client.act("history", limit=1)["transactions"][0]["kind"] == "push"
    client.act("restore", at=reply["before"])
    assert rows(client, "SELECT x FROM old") == [("here",)]


def test_what_a_push_has_replaced_is_not_read(new_client, file, tmp_path, monkeypatch):
    monkeypatch.setattr("lambda_handlers.actions.transfer.pull.WORTH_LEAVING_BYTES", 10_000)
    client = new_client()
    for _ in range(3):
        push(client, file)
    rows(client, "INSERT INTO t (x) VALUES ('after')")
    reply = pull(client, tmp_path / "out.db")
    assert [one["file"] for one in reply["files"]] == [f"0000/{txid:016x}-{txid:016x}.ltx" for txid in (3, 4)]
    connection = sqlite3.connect(tmp_path / "out.db")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (301,)
    connection.close()
    assert len(pull(client, tmp_path / "second.db", 2)["files"]) == 1
    assert sqlite_files.dump(tmp_path / "second.db") == sqlite_files.dump(file)


def test_a_name_that_was_dropped_goes_on_counting(new_client, file):
    client = new_client()
    rows(client, "CREATE TABLE old (x)")
    client.act("drop_database")
    reply = push(client, file)
    assert (reply["txid"], reply["replaced_bytes"]) == (3, 0)


@pytest.mark.parametrize("content", ["", "PRAGMA user_version = 3"])
def test_an_empty_file_is_an_empty_database(new_client, tmp_path, content):
    client, path = new_client(), tmp_path / "empty.db"
    connection = sqlite3.connect(path)
    connection.execute(content)
    connection.close()
    path.touch()
    rows(client, "CREATE TABLE old (x)")
    push(client, path)
    assert rows(client, "SELECT * FROM sqlite_schema") == []
    pull(client, tmp_path / "out.db")
    assert sqlite_files.dump(tmp_path / "out.db")[1] == "ok"
    assert rows(client, "CREATE TABLE new (x)", if_txid=2) == []


WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
connection.execute("PRAGMA journal_mode = " + sys.argv[2])
connection.execute("CREATE TABLE IF NOT EXISTS pairs (a, b)")
print("ready", flush=True)
number = 0
while True:
    number += 1
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO pairs VALUES (?, randomblob(3000))", (number,))
    connection.execute("INSERT INTO pairs VALUES (?, randomblob(3000))", (-number,))
    connection.execute("DELETE FROM pairs WHERE abs(a) <= ?", (number - 100,))
    connection.execute("COMMIT")
"""


@pytest.fixture(params=["wal", "delete"])
def file_in_use(request, file) -> Iterator[Path]:
    """Another process writes two rows in each transaction, and keeps those of the last hundred."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file), request.param], stdout=subprocess.PIPE)
    assert writer.stdout
    assert writer.stdout.readline()
    yield file
    assert writer.poll() is None, "the writer has failed"
    writer.kill()
    writer.wait()
    writer.stdout.close()


def test_a_file_that_is_being_written_to_comes_as_of_one_moment(new_client, file_in_use, tmp_path):
    client = new_client()
    for number in range(4):
        push(client, file_in_use)
        out = tmp_path / f"{number}.out"
        pull(client, out)
        assert sqlite_files.dump(out)[1] == "ok"
        count, total = rows(client, "SELECT count(*), sum(a) FROM pairs")[0]
        assert count % 2 == 0
        assert total in (0, None)


def test_a_file_above_the_lock_page(new_client, tmp_path):
    """1 GiB and some pages of it; the holes cost no disk, and compress to nothing."""
    client, path = new_client(), tmp_path / "large.db"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA page_size = 65536; CREATE TABLE t (x); INSERT INTO t VALUES ('here')")
    connection.executescript("CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(900000000));")
    connection.executescript("INSERT INTO big VALUES (zeroblob(200000000)); INSERT INTO t VALUES ('and here')")
    connection.close()
    assert path.stat().st_size > (1 << 30) + 65536
    assert push(client, path)["bytes"] < 3 * PART_BYTES
    assert rows(client, "SELECT x FROM t") == [("here",), ("and here",)]
    assert rows(client, "SELECT sum(length(x)) FROM big") == [(1_100_000_000,)]
    out = tmp_path / "out.db"
    pull(client, out)
    assert out.stat().st_size == path.stat().st_size
    connection = sqlite3.connect(out)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
