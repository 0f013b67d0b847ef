"""The commands `sldb push` and `sldb pull`: their output, questions and refusals."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.db"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE t (x); INSERT INTO t VALUES ('pushed')")
    connection.close()
    return path


def test_in_out_and_back(tmp_path, file):
    """Off a terminal nobody is asked; what undoes it is a command that works."""
    assert sldb(tmp_path, "--local", "d", "query", "CREATE TABLE old (x)").returncode == 0
    pushed = sldb(tmp_path, "--local", "d", "push", str(file))
    assert (pushed.returncode, pushed.stdout) == (0, "")
    assert "txid 2" in pushed.stderr
    assert "to undo this: sldb restore --at 1 --local d" in pushed.stderr
    pulled = sldb(tmp_path, "--local", "d", "pull", "out.db")
    assert pulled.returncode == 0
    assert "out.db is main as of transaction 2" in pulled.stderr
    connection = sqlite3.connect(tmp_path / "out.db")
    assert connection.execute("SELECT x FROM t").fetchall() == [("pushed",)]
    connection.close()
    assert sldb(tmp_path, "--local", "d", "restore", "--at", "1").returncode == 0
    assert sldb(tmp_path, "--local", "d", "pull", "again.db", "--at", "2").returncode == 0


def test_the_undo_of_a_new_database_names_it_once(tmp_path: Path, file: Path) -> None:
    pushed = sldb(tmp_path, "--local", "d", "push", str(file), "--database", "app", "--create")
    assert pushed.returncode == 0
    assert "to undo this: sldb databases drop app --local d\n" in pushed.stderr


@pytest.mark.parametrize("name", ["Abc", "a/b", "a b", "../other"])
def test_no_database_is_made_with_a_name_that_none_can_have(tmp_path, file, name):
    """A push does not go through what checks the event of a function."""
    refused = sldb(tmp_path, "--local", "d", "push", str(file), "--database", name, "--create")
    assert refused.returncode == 2
    assert f"database: got '{name}'" in refused.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in.db"]


def test_for_a_program(tmp_path, file):
    pushed = json.loads(sldb(tmp_path, "--local", "d", "--format", "json", "push", str(file)).stdout)
    assert [(one["database"], one["txid"], one["before"]) for one in pushed] == [("main", 1, 0)]
    (pulled,) = json.loads(sldb(tmp_path, "--local", "d", "pull", "out.db", "--format", "json").stdout)
    assert (pulled["txid"], pulled["file"], pulled["page_size"]) == (1, "out.db", 4096)


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["push", "none.db"], 2, "no such file"),
        (["push", "."], 2, "a directory"),
        (["push", "text"], 2, "not a SQLite database, or an encrypted one"),
        (["push", "in.db", "--if-txid", "7"], 75, "not 7"),
        (["push", "in.db", "--through", "bucket"], 2, "deployed stack"),
        (["push", "in.db", "--through", "magic"], 2, "--through"),
        (["push"], 2, "FILE"),
        (["pull", "text"], 2, "already exists"),
        (["pull", "none/out.db"], 2, "not a directory"),
        (["pull", "out.db", "--at", "99"], 1, "no state at transaction 99"),
        (["--database", "none", "pull", "out.db"], 1, "no database none"),
    ],
)
def test_what_is_refused(tmp_path, file, arguments, status, why):
    (tmp_path / "text").write_text("hello " * 1000)
    assert sldb(tmp_path, "--local", "d", "query", "CREATE TABLE old (x)").returncode == 0
    before = sorted(path.name for path in tmp_path.iterdir())
    done = sldb(tmp_path, "--local", "d", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert why in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert "old" in sldb(tmp_path, "--local", "d", "query", "SELECT name FROM sqlite_schema").stdout


def test_yes_writes_over_a_file(tmp_path, file):
    assert sldb(tmp_path, "--local", "d", "push", str(file)).returncode == 0
    (tmp_path / "out.db").write_text("old")
    assert sldb(tmp_path, "--local", "d", "pull", "out.db", "--yes").returncode == 0
    assert (tmp_path / "out.db").read_bytes().startswith(b"SQLite format 3")
