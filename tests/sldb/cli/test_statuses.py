"""The exit status of each command for a missing file, for nothing on standard input, and for a name that exists; and
the truth values in JSON.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.terminal.command import sldb as run_process
from tests.sldb.cli.in_process import Done, Sldb, in_process

USAGE = 2


@pytest.fixture
def sldb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sldb:
    monkeypatch.chdir(tmp_path)
    run = in_process(capsys, "--local", "d")
    assert run("query", "create table t(a)").status == 0
    return run


@pytest.mark.parametrize(
    "words",
    [
        ("query", "-f", "nope.sql"),
        ("query", "-f", "."),
        ("query", "select :x", "-p", "x=@nope"),
        ("query", "select :x", "-p", "x:blob=@nope"),
        ("query", "select :x", "--params-from", "nope.csv"),
        ("query", ".read nope.sql"),
        ("query", ".import nope.csv u"),
        ("import", "nope.csv"),
        ("import", "nope.sqlite"),
        ("import", "."),
        ("push", "nope.db"),
        ("push", "-"),
        ("push", "."),
        ("migrate", "--dir", "nope"),
        ("migrate", "status", "--dir", "nope"),
        ("migrate", "up", "--dir", "nope"),
        ("migrate", "rollback", "--dir", "nope"),
        ("query", "select 1", "-o", "nope/x.csv"),
        ("export", "t", "-o", "nope/x.csv"),
        ("dump", "-o", "nope/x.sql"),
        ("pull", "nope/x.db"),
    ],
    ids=" ".join,
)
def test_a_missing_file_or_directory_is_a_usage_error(sldb: Sldb, words: tuple[str, ...]) -> None:
    done = sldb(*words)
    assert (done.status, done.out) == (USAGE, "")
    named = "nope" if "nope" in " ".join(words) else f" {words[-1]}"  # ".", "-"
    assert named in done.err
    assert not re.search("Traceback|Errno", done.err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("query",), "standard input is empty: there is nothing to run"),
        (("query", "-"), "standard input is empty: there is nothing to run"),
        (("query", "-f", "-"), "standard input is empty: there is nothing to run"),
        (("shell",), "standard input is empty: there is nothing to run"),
        (("import", "-", "--table", "t"), "standard input is empty"),
        (("import", "-", "--table", "u", "--input-format", "json"), "standard input is empty"),
        (("import", "-", "--table", "t", "--input-format", "jsonl"), "standard input is empty"),
        (("import", "-", "--table", "u", "--input-format", "sql"), "standard input is empty"),
        (("import", "-", "--table", "u", "--input-format", "sqlite"), "standard input is empty"),
        (("import", "-", "--table", "u", "--input-format", "parquet"), "standard input is empty"),
    ],
    ids=str,
)
def test_empty_standard_input_is_a_usage_error(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    run_process(tmp_path, "--local", "d", "query", "create table t(a)")
    done = run_process(tmp_path, "--local", "d", *words)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("",), "the SQL is empty"),
        ((" \n;; ",), "the SQL has no statement"),
        (("/* nothing */",), "the SQL has no statement"),
        (("-c", ""), "the SQL is empty"),
        (("-f", "empty.sql"), "empty.sql is empty"),
        (("-f", "empty.sql", "-c", " "), "empty.sql, the SQL is empty"),
    ],
    ids=str,
)
def test_sql_without_a_statement_is_a_usage_error(sldb: Sldb, words: tuple[str, ...], message: str) -> None:
    Path("empty.sql").touch()
    done = sldb("query", *words)
    assert (done.status, done.out) == (USAGE, "")
    assert f"Error: {message}: there is nothing to run" in done.err


def test_one_empty_file_beside_a_statement_is_none(sldb: Sldb) -> None:
    Path("empty.sql").touch()
    assert sldb("query", "-f", "empty.sql", "-c", "select 1 as a", "--format", "csv").out == "a\n1\n"


def test_a_name_that_exists_is_not_an_invitation_to_try_again(sldb: Sldb) -> None:
    assert sldb("branch", "--as", "other").status == 0
    assert sldb("query", "create table u(a)", "--database", "other").status == 0
    refused = [
        sldb("branch", "--as", "other"),
        sldb("branch", "other", "--as", "main"),
        sldb("databases", "create", "other"),
        sldb("databases", "rename", "main", "other"),
    ]
    assert [(done.status, "[exists]" in done.err) for done in refused] == [(1, True)] * 4


def values(done: Done) -> list[Any]:
    """Return all values of a reply in JSON, of any depth, with their names."""

    def walk(name: str, value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [pair for key, each in value.items() for pair in walk(key, each)]
        if isinstance(value, list):
            return [pair for each in value for pair in walk(name, each)]
        return [(name, value)]

    assert done.status == 0, done.err
    return walk("", json.loads(done.out))


TRUTHS = {"readable", "created", "changed", "dropped", "foreign_keys"}
COMMANDS: list[Callable[[Sldb], Done]] = [
    lambda sldb: sldb("history", "--format", "json"),
    lambda sldb: sldb("query", ".history", "--format", "json"),
    lambda sldb: sldb("branch", "--as", "b", "--format", "json"),
    lambda sldb: sldb("restore", "--at", "1", "--format", "json"),
    lambda sldb: sldb("undo", "--format", "json"),
    lambda sldb: sldb("databases", "--format", "json"),
    lambda sldb: sldb("databases", "create", "c", "--format", "json"),
    lambda sldb: sldb("databases", "set", "main", "foreign_keys=off", "--format", "json"),
    lambda sldb: sldb("databases", "drop", "main", "--yes", "--format", "json"),
    lambda sldb: sldb("status", "--format", "json"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_truth_values_in_json_are_true_and_false(sldb: Sldb, command: Callable[[Sldb], Done]) -> None:
    assert sldb("query", "insert into t values (1)").status == 0
    found = [(name, value) for name, value in values(command(sldb)) if name in TRUTHS]
    assert found
    assert [(name, value) for name, value in found if not isinstance(value, bool)] == []


def test_other_formats_have_them_as_sql_does(sldb: Sldb) -> None:
    (line,) = csv.DictReader(io.StringIO(sldb("history", "--format", "csv").out))
    assert line["readable"] == "1"
    assert "True" not in sldb("branch", "--as", "b", "--format", "insert").out
