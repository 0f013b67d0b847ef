"""A mistyped name makes no database, and a mistyped path no directory, in any command."""

from __future__ import annotations

import re
import shlex
import sqlite3
import sys
from pathlib import Path

import pytest

from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.fakes.terminal.command import sldb
from tests.fakes.terminal.pty import on_terminal

NO_SUCH_DATABASE = "error: there is no database tpyo; nothing was applied [not_found]\n"
on_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")

# Command and standard input of all that writes, into any database.
WRITES = {
    "query": (["query", "CREATE TABLE t (a)"], ""),
    "a query from a pipe": (["query", "-"], "CREATE TABLE t (a)"),
    "a request for an empty database": (["query", "CREATE TABLE t (a)", "--if-txid", "0"], ""),
    "a script of the shell": (["shell"], "CREATE TABLE t (a);\n"),
    "a transaction of a script": (["shell"], "BEGIN;\nCREATE TABLE t (a);\nCOMMIT;\n"),
    "a file that a script reads": (["shell"], ".read t.sql\n"),
    "an import of the shell": (["shell"], ".import t.csv\n"),
    "import": (["import", "t.csv"], ""),
    "import of standard input": (["import", "-", "--table", "t"], "a\n1\n"),
    "import of SQL": (["import", "t.sql"], ""),
    "import of a SQLite file": (["import", "t.db"], ""),
    "import in pieces": (["import", "t.csv", "--batch", "1"], ""),
    "push": (["push", "t.db"], ""),
    "migrate": (["migrate", "up", "--dir", "migrations"], ""),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two databases, and something to write of every kind."""
    target = LocalTarget(tmp_path / "db")
    for name in ("main", "app"):
        Client(target, name).execute(Request((Statement("CREATE TABLE there (a)"),)))
    target.close()
    (tmp_path / "t.csv").write_text("a\n1\n2\n")
    (tmp_path / "t.sql").write_text("CREATE TABLE t (a);\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_t.sql").write_text(
        "-- migrate:up\nCREATE TABLE t (a);\n-- migrate:down\nDROP TABLE t;\n"
    )
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    return tmp_path


def places(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "db").iterdir())


def has_t(home: Path, *target: str) -> bool:
    done = sldb(home, *target, "query", "SELECT name FROM sqlite_schema WHERE name = 't'", "--format", "csv")
    return done.stdout.split() == ["name", "t"]


@pytest.mark.parametrize("write", WRITES)
def test_a_mistyped_name_makes_no_database(home: Path, write: str) -> None:
    command, stdin = WRITES[write]
    done = sldb(home, "--local", "db", "--database", "tpyo", *command, stdin=stdin)
    assert done.returncode == 1
    assert "there is no database tpyo; nothing was applied [not_found]" in done.stderr
    assert "there is: main, app" in done.stderr
    assert "--create creates it, as do SLDB_CREATE=1 and `sldb databases --local db create tpyo`" in done.stderr
    assert places(home) == ["app", "main"]


@pytest.mark.parametrize("write", WRITES)
def test_a_mistyped_path_makes_no_directory(home: Path, write: str) -> None:
    command, stdin = WRITES[write]
    done = sldb(home, "--local", "nope/dir", *command, stdin=stdin)
    assert done.returncode == 1
    assert f"there is no directory {home / 'nope' / 'dir'}; nothing was applied [not_found]" in done.stderr
    assert not (home / "nope").exists()


def test_the_hint_can_be_followed_in_a_directory_with_a_blank(home: Path) -> None:
    done = sldb(home, "--local", "no such/dir", "query", "CREATE TABLE t (a)")
    (command,) = re.findall("`sldb (.*)`", done.stderr)
    assert sldb(home, *shlex.split(command)).returncode == 0
    assert (home / "no such" / "dir" / "main").exists()


def test_no_first_write_is_promised_in_a_directory_that_it_would_not_make(home: Path) -> None:
    shown = sldb(home, "--local", "nope/dir", "databases").stderr
    assert shown == f"no databases yet: there is no directory {home / 'nope' / 'dir'}\n"
    assert sldb(home, "--local", "fresh", "databases").stderr == "no databases yet: the first write creates main\n"


@pytest.mark.parametrize("write", WRITES)
def test_create_makes_it(home: Path, write: str) -> None:
    command, stdin = WRITES[write]
    done = sldb(home, "--local", "db", "--database", "new", *command, "--create", stdin=stdin)
    assert (done.returncode, has_t(home, "--local", "db", "--database", "new")) == (0, True), done.stderr


@pytest.mark.parametrize("write", ["query", "a script of the shell", "import", "push", "migrate"])
def test_so_does_the_environment(home: Path, write: str) -> None:
    command, stdin = WRITES[write]
    done = sldb(home, "--local", "nope/dir", "--database", "new", *command, stdin=stdin, extra={"SLDB_CREATE": "1"})
    assert (done.returncode, has_t(home, "--local", "nope/dir", "--database", "new")) == (0, True), done.stderr


@pytest.mark.parametrize("write", ["query", "push"])
def test_so_does_making_it_before(home: Path, write: str) -> None:
    assert sldb(home, "--local", "nope/dir", "databases", "create", "new").returncode == 0
    command, stdin = WRITES[write]
    done = sldb(home, "--local", "nope/dir", "--database", "new", *command, stdin=stdin)
    assert (done.returncode, has_t(home, "--local", "nope/dir", "--database", "new")) == (0, True), done.stderr


@pytest.mark.parametrize("write", WRITES)
def test_main_begins_with_its_first_write_in_a_directory_whose_parent_is_there(home: Path, write: str) -> None:
    command, stdin = WRITES[write]
    done = sldb(home, "--local", "fresh", *command, stdin=stdin)
    assert (done.returncode, has_t(home, "--local", "fresh")) == (0, True), done.stderr


@pytest.mark.parametrize(("value", "status"), [("1", 0), ("0", 1), ("", 1), ("yes", 2)])
def test_what_the_variable_may_say(home: Path, value: str, status: int) -> None:
    command = ("--local", "db", "--database", "new", "query", "CREATE TABLE t (a)")
    assert sldb(home, *command, extra={"SLDB_CREATE": value}).returncode == status


def test_a_rehearsal_is_refused_like_the_migration(home: Path) -> None:
    done = sldb(home, "--local", "db", "--database", "tpyo", "migrate", "up", "--rehearse", "--dir", "migrations")
    assert (done.returncode, done.stderr.splitlines()[0] + "\n") == (1, NO_SUCH_DATABASE)
    assert places(home) == ["app", "main"]


def test_a_dry_run_says_what_the_run_would_say(home: Path) -> None:
    done = sldb(home, "--local", "db", "--database", "tpyo", "query", "CREATE TABLE t (a)", "--dry-run")
    assert (done.returncode, done.stderr.splitlines()[0] + "\n") == (1, NO_SUCH_DATABASE)


def test_one_that_was_dropped_is_not_begun_anew(home: Path) -> None:
    assert sldb(home, "--local", "db", "databases", "drop", "app", "--yes").returncode == 0
    done = sldb(home, "--local", "db", "--database", "app", "query", "CREATE TABLE t (a)")
    assert done.returncode == 1
    assert "database app was dropped by transaction 2" in done.stderr
    assert "sldb restore --local db --database app --at 1 brings it back" in done.stderr
    assert "with --create or SLDB_CREATE=1" in done.stderr
    assert sldb(home, "--local", "db", "--database", "app", "query", "CREATE TABLE t (a)", "--create").returncode == 0


@pytest.mark.parametrize(("typed", "meant"), [("ap", "did you mean app?"), ("mian", "did you mean main?"), ("x", "")])
def test_names_that_are_like_it_are_suggested(home: Path, typed: str, meant: str) -> None:
    done = sldb(home, "--local", "db", "--database", typed, "query", "CREATE TABLE t (a)")
    assert ("did you mean" in done.stderr, meant in done.stderr) == (bool(meant), True)
    assert "there is: main, app" in done.stderr


def test_the_shell_says_that_a_database_is_not_there_when_it_goes_to_it(home: Path) -> None:
    done = sldb(home, "--local", "db", "shell", stdin=".database ap\n.database app\nSELECT 1 AS one;\n")
    assert done.returncode == 0
    assert done.stderr == "there is no database ap (did you mean app? there is: main, app)\n"
    assert "one" in done.stdout


def test_the_shell_says_that_a_database_was_dropped(home: Path) -> None:
    assert sldb(home, "--local", "db", "databases", "drop", "app", "--yes").returncode == 0
    done = sldb(home, "--local", "db", "shell", stdin=r"\c app")
    assert "database app was dropped by transaction 2" in done.stderr
    assert "there is: main" in done.stderr


def test_a_script_that_goes_to_a_mistyped_database_writes_nowhere(home: Path) -> None:
    done = sldb(home, "--local", "db", "shell", stdin=".database tpyo\nCREATE TABLE t (a);\n")
    assert done.returncode == 1
    assert "line 2: there is no database tpyo; nothing was applied [not_found]" in done.stderr
    assert places(home) == ["app", "main"]
    assert not has_t(home, "--local", "db")


def test_all_databases_are_those_that_are_there(home: Path) -> None:
    command = ("--local", "db", "query", "CREATE TABLE t (a)", "--all-databases", "*")
    assert sldb(home, *command, "--yes", "--create").returncode == 2
    assert sldb(home, *command, "--yes").returncode == 0
    assert places(home) == ["app", "main"]


@on_a_terminal
def test_a_terminal_is_asked(home: Path) -> None:
    command = ("--local", "db", "--database", "tpyo", "query", "CREATE TABLE t (a)")
    question = "tpyo does not exist: create it? (there is: main, app) [y/N]: "
    shown = on_terminal(home, *command, answers=[("create it?", "n\n")])
    assert (shown.status, question in shown.text) == (1, True)
    assert "there is no database tpyo; nothing was applied [not_found]" in shown.text
    assert places(home) == ["app", "main"]
    shown = on_terminal(home, *command, answers=[("create it?", "y\n")])
    assert (shown.status, has_t(home, "--local", "db", "--database", "tpyo")) == (0, True), shown.text


@on_a_terminal
@pytest.mark.parametrize("write", ["import", "import of a SQLite file", "import in pieces", "push", "migrate"])
def test_each_command_asks_once(home: Path, write: str) -> None:
    shown = on_terminal(home, "--local", "db", "--database", "new", *WRITES[write][0], answers=[("create it?", "y\n")])
    assert (shown.status, shown.text.count("create it?")) == (0, 1), shown.text
    assert has_t(home, "--local", "db", "--database", "new")


@on_a_terminal
def test_the_question_about_a_path(home: Path) -> None:
    command = ("--local", "nope/dir", "query", "CREATE TABLE t (a)")
    shown = on_terminal(home, *command, answers=[("create it?", "n\n")])
    assert f"{home / 'nope' / 'dir'} does not exist: create it?" in shown.text
    assert not (home / "nope").exists()
    assert on_terminal(home, *command, answers=[("create it?", "y\n")]).status == 0
    assert has_t(home, "--local", "nope/dir")


@on_a_terminal
def test_the_end_of_the_input_is_a_no(home: Path) -> None:
    command = ("--local", "db", "--database", "tpyo", "query", "CREATE TABLE t (a)")
    shown = on_terminal(home, *command, answers=[("create it?", "\x04")])
    assert (shown.status, places(home)) == (1, ["app", "main"]), shown.text


@on_a_terminal
def test_nobody_is_asked_about_what_is_there_or_said_or_only_read(home: Path) -> None:
    for command in (
        ("--database", "app", "query", "CREATE TABLE t (a)"),
        ("--database", "new", "query", "CREATE TABLE t (a)", "--create"),
        ("--database", "tpyo", "query", "SELECT 1"),
        ("--database", "tpyo", "query", "CREATE TABLE t (a)", "--dry-run"),
        ("--database", "tpyo", "query", "CREATE TABLE t (a)", "--read-only"),
    ):
        assert "create it?" not in on_terminal(home, "--local", "db", *command).text
