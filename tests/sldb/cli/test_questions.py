"""Destructive statements ask for confirmation: on a terminal, and only there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb
from tests.fakes.terminal.pty import on_terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    script = "create table users(id integer primary key, name); insert into users values (1, 'a'), (2, 'b'), (3, 'c')"
    assert sldb(tmp_path, "--local", "db", "query", script).returncode == 0
    return tmp_path


def names(home: Path) -> str:
    return sldb(home, "--local", "db", "query", "select name from users", "--format", "csv", "--no-header").stdout


@pytest.mark.parametrize(
    ("sql", "question"),
    [
        ("DELETE FROM users", "This deletes 3 of 3 rows of users."),
        ("WITH x AS (SELECT 2 AS id) DELETE FROM users WHERE id IN x", "This deletes 1 of 3 rows of users."),
        ("UPDATE users SET name = 'x'", "This changes 3 of 3 rows of users."),
        ("REPLACE INTO users VALUES (2, 'x')", "This replaces 1 of 3 rows of users."),
        ("ALTER TABLE users DROP COLUMN name", "This drops the column name of users."),
        ("SELECT 1; DROP TABLE users", "This drops users (3 rows)."),
    ],
)
def test_a_no_changes_nothing(home: Path, sql: str, question: str) -> None:
    shown = on_terminal(home, "--local", "db", "query", sql, answers=[("Go on? [y/N]", "n\n")])
    assert question in shown.text
    assert "sldb undo --local db reverts it" in " ".join(shown.text.split())
    assert "nothing was changed" in shown.text
    assert shown.status == 1
    assert names(home) == "a\nb\nc\n"


def test_a_yes_does_it_and_undo_takes_it_back(home: Path) -> None:
    shown = on_terminal(home, "--local", "db", "query", "DELETE FROM users WHERE id < 3", answers=[("Go on?", "y\n")])
    assert shown.status == 0
    assert "2 rows changed" in shown.text
    assert "to undo this: sldb undo --local db" in shown.text
    assert names(home) == "c\n"
    assert sldb(home, "undo", "--local", "db").returncode == 0
    assert names(home) == "a\nb\nc\n"


def test_yes_is_not_asked(home: Path) -> None:
    shown = on_terminal(home, "--local", "db", "query", "DELETE FROM users", "--yes")
    assert (shown.status, "Go on?" in shown.text) == (0, False)
    assert names(home) == ""


@pytest.mark.parametrize(
    "sql", ["INSERT INTO users VALUES (4, 'd')", "SELECT * FROM users", "DELETE FROM users WHERE 0"]
)
def test_what_destroys_nothing_is_not_asked_about(home: Path, sql: str) -> None:
    shown = on_terminal(home, "--local", "db", "query", sql)
    assert (shown.status, "Go on?" in shown.text) == (0, False)


def test_nobody_is_asked_off_a_terminal(home: Path) -> None:
    done = sldb(home, "--local", "db", "query", "DELETE FROM users", stdin="n\n")
    assert (done.returncode, done.stderr) == (0, "3 rows changed · txid 2\n")


def test_a_file_is_left_as_it_is_after_a_no(home: Path) -> None:
    (home / "out.csv").write_text("before")
    sql = "DELETE FROM users RETURNING *"
    shown = on_terminal(home, "--local", "db", "query", sql, "-o", "out.csv", answers=[("Go on?", "\n")])
    assert shown.status == 1
    assert (home / "out.csv").read_text() == "before"
    assert sorted(path.name for path in home.iterdir()) == ["db", "out.csv"]


def test_a_thousand_rows_that_replace_are_one_question(home: Path) -> None:
    (home / "rows.csv").write_text("id,name\n" + "".join(f"{1 + i % 3},n{i}\n" for i in range(1000)))
    command = ("--local", "db", "query", "REPLACE INTO users VALUES (:id, :name)", "--params-from", "rows.csv")
    shown = on_terminal(home, *command, answers=[("Go on?", "y\n")])
    assert "This replaces 1,000 rows of users, which had 3 rows." in shown.text
    assert shown.status == 0
    assert names(home) == "n999\nn997\nn998\n"
