"""The option `sldb query --all-databases`: many databases as one, independent of each other's failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.wire import Reply, Request, SldbError, Statement
from sldb.cli.query.many_databases import stopped_sentences
from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.fakes.terminal.command import COMMAND, environment, sldb
from tests.fakes.terminal.pty import on_terminal

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ALL = ("--all-databases", "tenant-*")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three tenants with a user of their own and one of all, and a database that is none of them."""
    target = LocalTarget(tmp_path / "db")
    for name in ("tenant-b", "tenant-a", "tenant-c", "other"):
        sql = f"CREATE TABLE users (id INTEGER PRIMARY KEY, name); INSERT INTO users VALUES (1, 'all'), (2, '{name}')"
        Client(target, name).execute(Request((Statement(sql),)))
    target.close()
    return tmp_path


@pytest.fixture
def run(home: Path) -> Run:
    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return sldb(home, "--local", "db", "query", *arguments, stdin=stdin)

    return run


def names_of(run: Run) -> str:
    return run("SELECT name FROM users ORDER BY id", *ALL, "--format", "csv", "--no-header").stdout


def test_the_rows_of_all_are_one_result_in_the_order_of_their_names(run: Run) -> None:
    done = run("SELECT name FROM users WHERE id = :id", "-p", "id=2", *ALL, "--jobs", "2")
    assert done.stdout == (
        " _database │ name\n───────────┼──────────\n"
        " tenant-a  │ tenant-a\n tenant-b  │ tenant-b\n tenant-c  │ tenant-c\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("format_name", ["table", "json", "jsonl", "csv", "tsv", "markdown", "vertical", "insert"])
def test_every_format_is_that_of_one_query(run: Run, format_name: str) -> None:
    merged = run("SELECT id, name FROM users", *ALL, "--all-databases", "other", "--format", format_name)
    databases = ("other", "tenant-a", "tenant-b", "tenant-c")
    values = ", ".join(f"('{name}', 1, 'all'), ('{name}', 2, '{name}')" for name in databases)
    columns = "column1 AS _database, column2 AS id, column3 AS name"
    assert merged.stdout == run(f"SELECT {columns} FROM (VALUES {values})", "--format", format_name).stdout
    assert merged.returncode == 0


def test_one_that_fails_is_reported_and_sinks_no_other(home: Path, run: Run) -> None:
    sldb(home, "--local", "db", "--database", "tenant-b", "query", "DROP TABLE users")
    done = run("SELECT name FROM users WHERE id = 2", *ALL, "--format", "csv")
    assert done.stdout == "_database,name\ntenant-a,tenant-a\ntenant-c,tenant-c\n"
    assert done.stderr == (
        "error: tenant-b: no such table: users [sql_error]\n3 databases: 2 rows · 1 failed: tenant-b\n"
    )
    assert done.returncode == 1


def test_one_that_is_damaged_is_reported_and_sinks_no_other(home: Path, run: Run) -> None:
    for file in (home / "db" / "tenant-b").glob("0*/*.ltx"):
        file.write_bytes(b"x")
    (home / "db" / "tenant-b" / "head.json").unlink()  # it has a copy of the file
    done = run("SELECT name FROM users WHERE id = 2", *ALL, "--format", "csv")
    assert done.stdout == "_database,name\ntenant-a,tenant-a\ntenant-c,tenant-c\n"
    assert done.stderr.startswith("error: tenant-b: tenant-b/0000/")
    assert done.stderr.endswith("[corrupt]\n3 databases: 2 rows · 1 failed: tenant-b\n")
    assert done.returncode == 1
    listed = sldb(home, "--local", "db", "databases", "--format", "jsonl")
    states = {one["name"]: one["state"] for one in map(json.loads, listed.stdout.splitlines())}
    assert states == {"other": "ok", "tenant-a": "ok", "tenant-b": "damaged", "tenant-c": "ok"}
    assert "tenant-b is damaged: tenant-b/0000/" in listed.stderr


def test_one_that_is_slow_is_stopped_and_sinks_no_other(home: Path, run: Run) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    slow = f"CREATE VIEW work AS {endless}"
    sldb(home, "--local", "db", "--database", "tenant-a", "query", slow)
    for name in ("tenant-b", "tenant-c"):
        sldb(home, "--local", "db", "--database", name, "query", "CREATE VIEW work AS SELECT 1")
    done = run("SELECT * FROM work", *ALL, "--timeout", "0.5", "--format", "jsonl")
    assert "error: tenant-a: the request ran out of time" in done.stderr
    assert "[query_timeout]" in done.stderr
    assert done.returncode == 1
    done = run("SELECT 1 AS one FROM sqlite_schema WHERE name = 'work'", *ALL, "--format", "jsonl")
    assert done.stdout.count('"one": 1') == 3


def test_other_columns_are_reported(home: Path, run: Run) -> None:
    sldb(home, "--local", "db", "--database", "tenant-b", "query", "ALTER TABLE users ADD COLUMN age")
    done = run("SELECT * FROM users", *ALL, "--format", "jsonl")
    assert [json.loads(line)["_database"] for line in done.stdout.splitlines()] == ["tenant-a"] * 2 + ["tenant-c"] * 2
    assert "error: tenant-b: its columns are id, name, age; those before have id, name" in done.stderr
    assert done.returncode == 1


def test_writes_to_many_need_a_yes(home: Path, run: Run) -> None:
    done = run("DELETE FROM users WHERE id = 2", *ALL, stdin="y\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: this writes to 3 databases; nothing was applied")
    assert names_of(run).count("\n") == 6
    done = run("DELETE FROM users WHERE id = 2", *ALL, "--yes")
    assert (done.returncode, done.stderr) == (0, "3 databases: 3 rows changed\n")
    assert names_of(run).splitlines() == ["tenant-a,all", "tenant-b,all", "tenant-c,all"]


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
@pytest.mark.parametrize(("answer", "status", "left"), [("n", 1, 6), ("y", 0, 3)])
def test_on_a_terminal_they_are_asked_about(home: Path, run: Run, answer: str, status: int, left: int) -> None:
    sql = "DELETE FROM users WHERE id = 2 RETURNING name"
    shown = on_terminal(home, "--local", "db", "query", sql, *ALL, answers=[("Go on? [y/N]", f"{answer}\n")])
    assert "This writes to 3 databases; together: 3 deleted. Of them, 3 lose rows" in shown.text
    assert ("tenant-b" in shown.text) == (answer == "y")  # no row of what was not done
    assert shown.status == status
    assert names_of(run).count("\n") == left


def test_a_dry_run_adds_up(run: Run) -> None:
    done = run("UPDATE users SET name = 'x' WHERE id = 1", *ALL, "--dry-run")
    assert done.stderr.splitlines() == [
        "3 databases: 3 rows changed",
        "dry run: all of it was rolled back",
        "  users: 3 updated",
    ]
    assert "x" not in names_of(run)


def test_stats_add_up(run: Run) -> None:
    done = run("SELECT 1 AS one", *ALL, "--stats", "--format", "csv")
    assert done.stderr.startswith("3 databases: 3 rows · round trips ")
    assert "12 store requests (0 of them writes or lists)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--all-databases", "nobody-*"), 1, "no database matches nobody-*"),
        ((*ALL, "--database", "other"), 2, "cannot be combined with --database"),
        ((*ALL, "--if-txid", "1"), 2, "--if-txid"),
        ((*ALL, "--jobs", "0"), 2, "--jobs"),
    ],
)
def test_usage(run: Run, arguments: tuple[str, ...], status: int, says: str) -> None:
    done = run("SELECT 1", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("writes", "told"),
    [
        (False, "stopped when 1 of 3 databases had answered; nothing was changed"),
        (True, "stopped: applied in 0 of 3 databases"),
    ],
)
def test_ctrl_c_cancels_all_and_says_what_was_applied(home: Path, writes: bool, told: str) -> None:
    """The first database answers, with an error; the others are at it."""
    view = "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    with closing(LocalTarget(home / "db")) as target:
        for name in ("tenant-b", "tenant-c"):
            Client(target, name).execute(Request((Statement(view),)))
    sql = f"{'INSERT INTO users (name) ' if writes else ''}SELECT count(*) FROM endless"
    process = subprocess.Popen(
        [*COMMAND, "--local", "db", "query", sql, *ALL, "--jobs", "2", *(["--yes"] if writes else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=home,
        env=environment(home),
    )
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"error: tenant-a: no such table: endless [sql_error]\n"
        process.send_signal(signal.SIGINT)
        try:
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, stdout) == (130, b"")
    said = [line for line in stderr.decode().splitlines() if line]
    assert said == ["cancelling the requests; Ctrl-C again stops waiting", told, "interrupted"]
    assert FileLock(home / "db", Host()).holders() == []


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({}, ["stopped: applied in 0 of 9 databases"]),
        (
            {
                "a": Reply((), 1, "a", {}),
                "b": SldbError("cancelled", "", applied="no"),
                "c": None,
                "d": SldbError("store_error", "", applied="unknown"),
            },
            ["stopped: applied in 1 of 9 databases: a", "whether it was applied is unknown in 2 more: c, d"],
        ),
    ],
)
def test_what_became_of_writes_is_said_in_sum(outcomes: dict[str, Reply | SldbError | None], said: list[str]) -> None:
    assert list(stopped_sentences(9, outcomes)) == said
