"""SQL that a shell has taken apart, SQL in place of a command, and SQL that begins with a comment."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.cli import quoting
from tests.sldb.cli.in_process import Sldb, in_process


@pytest.fixture
def sldb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sldb:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SLDB_TARGET", f"local:{tmp_path / 'd'}")
    return in_process(capsys)


def error(run: Sldb, *words: str) -> str:
    done = run(*words)
    assert (done.status, done.out) == (2, "")
    return done.err.partition("Error: ")[2].removesuffix("\n")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("SELECT 1",), 'sldb query "SELECT 1"'),
        (("select", "1", "from", "t"), 'sldb query "select 1 from t"'),
        (("select", "1", "--format", "json"), 'sldb query "select 1"'),
        (("select",), 'sldb query "select …"'),
        (("WITH x AS (SELECT 1) SELECT * FROM x",), 'sldb query "WITH x AS (SELECT 1) SELECT * FROM x"'),
        (("create", "table", "t(a)"), 'sldb query "create table t(a)"'),
        (("DROP TABLE t",), 'sldb query "DROP TABLE t"'),
        (("pragma user_version",), 'sldb query "pragma user_version"'),
        (("-- a comment\nSELECT 1",), 'sldb query "-- a comment\nSELECT 1"'),
        (('select "a", $x',), "sldb query 'select \"a\", $x'"),
    ],
    ids=str,
)
def test_sql_in_place_of_a_command(sldb: Sldb, words: tuple[str, ...], command: str) -> None:
    assert error(sldb, *words) == f"SQL is the argument of query: {command}"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("create", "orders"), "sldb databases create"),
        (("create",), "sldb databases create"),
        (("drop", "orders"), "sldb databases drop"),
        (("rollback",), "sldb migrate rollback"),
        (("up",), "sldb migrate up"),
    ],
    ids=str,
)
def test_a_subcommand_in_place_of_a_command(sldb: Sldb, words: tuple[str, ...], meant: str) -> None:
    said = error(sldb, *words)
    assert said.startswith(f"no such command: sldb {words[0]}. Did you mean ")
    assert meant in re.split(r"Did you mean | or |\?", said)


def test_a_dot_command_in_place_of_a_command(sldb: Sldb) -> None:
    assert error(sldb, ".tables") == 'a dot command is the argument of query: sldb query ".tables"'


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("SELECT", "1"), 'sldb query "SELECT 1"'),
        (("SELECT", "1", "--format", "json"), 'sldb query "SELECT 1"'),
        (("--format", "json", "SELECT", "1"), 'sldb query "SELECT 1"'),
        (("SELECT", "-1"), 'sldb query "SELECT -1"'),
        (("SELECT", "1", "-", "x", "FROM", "t"), 'sldb query "SELECT 1 - x FROM t"'),
        ((".schema", "users"), 'sldb query ".schema users"'),
    ],
    ids=str,
)
def test_quotes_that_the_shell_has_taken(sldb: Sldb, words: tuple[str, ...], command: str) -> None:
    assert error(sldb, "query", *words) == f"SQL is one argument, in quotes: {command}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("shell", "SELECT 1"), 'SQL is the argument of query: sldb query "SELECT 1"'),
        (("shell", "select", "1"), 'SQL is the argument of query: sldb query "select 1"'),
        (("history", "SELECT 1"), 'SQL is the argument of query: sldb query "SELECT 1"'),
        (("shell", ".tables"), 'a dot command is the argument of query: sldb query ".tables"'),
        (("shell", "a b.sql"), "the shell runs a file from its standard input: sldb shell < 'a b.sql'"),
        (("shell", "app"), "unexpected argument: app. A database is an option: sldb shell --database app"),
        (("history", "app"), "unexpected argument: app. A database is an option: sldb history --database app"),
        (("undo", "3", "4"), "unexpected argument: 4"),
        (("status", "x", "y"), "unexpected argument: x y"),
    ],
    ids=str,
)
def test_arguments_that_a_command_does_not_take(sldb: Sldb, words: tuple[str, ...], message: str) -> None:
    Path("a b.sql").write_text("select 1;")
    assert error(sldb, *words) == message


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("files", [["a.txt"], ["a.txt", "b.py", "Z"]])
def test_a_star_is_what_it_was_before_the_shell(sldb: Sldb, files: list[str]) -> None:
    for name in (*files, ".hidden"):
        Path(name).touch()
    script = 'for word in SELECT * FROM t; do printf "%s\\n" "$word"; done'
    words = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert words == ["SELECT", *sorted(files), "FROM", "t"]
    found = error(sldb, "query", *words)
    assert found.startswith("SQL is one argument, in quotes, because the shell replaces * by the names of files")
    assert found.endswith('sldb query "SELECT * FROM t"')


@given(st.text(st.characters(codec="ascii", exclude_characters="\0\r")))
def test_the_command_shown_has_the_sql_as_one_argument(sql: str) -> None:
    assert shlex.split(quoting.query_command(sql)) == ["sldb", "query", sql]


@pytest.mark.parametrize(
    "sql", ["-- a comment\nSELECT 1 AS a", "--\nSELECT 1 AS a", "-- x=1\nSELECT 1 AS a", "---- \n SELECT 1 AS a"]
)
def test_sql_may_begin_with_a_comment(sldb: Sldb, sql: str) -> None:
    assert sldb("query", sql, "--format", "csv").out == "a\n1\n"
    assert sldb("query", "--format", "csv", "--", sql).out == "a\n1\n"
    assert sldb("query", "-c", sql, "--format=csv").out == "a\n1\n"


def test_values_of_options_may_begin_like_comments(sldb: Sldb) -> None:
    assert sldb("query", "select :x as a", "-p", "x=-- y", "--format", "csv").out == "a\n-- y\n"
    assert sldb("query", "select ? as a", "-p", "-- y", "--format", "csv").out == "a\n-- y\n"
    assert sldb("query", "select null as a", "--null", "-- y", "--format", "csv").out == "a\n-- y\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("query", "--frmat", "json", "select 1"), "--format"),
        (("query", "--frmat=a b", "select 1"), "--format"),
        (("query", "select 1", "--dryrun"), "--dry-run"),
        (("export", "--outptu", "x"), "--output"),
        (("--locla", "d", "query", "select 1"), "--local"),
    ],
    ids=str,
)
def test_an_unknown_option_is_an_error_with_a_suggestion(sldb: Sldb, words: tuple[str, ...], meant: str) -> None:
    found = error(sldb, *words)
    assert "No such option" in found
    assert meant in found


def test_the_name_of_a_file_is_no_sql(sldb: Sldb) -> None:
    Path("schema.sql").write_text("select 1 as a")
    assert error(sldb, "query", "schema.sql") == "schema.sql is a file, and no SQL: sldb query -f schema.sql"
    assert sldb("query", "-f", "schema.sql", "--format", "csv").out == "a\n1\n"
