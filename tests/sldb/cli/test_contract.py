"""The complaints of other tools' users, each as a test of ours, at the command line.

Those about deploying are in tests/sldb/deploy/test_deploy.py, those about export in tests/sldb/transfer.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sldb.render import FORMATS
from tests.fakes.terminal.command import COMMAND, environment, sldb
from tests.fakes.terminal.pty import on_terminal

Run = Callable[..., "subprocess.CompletedProcess[str]"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="terminals and pipes of POSIX")

NASTY = [
    "[red]x[/red] [b]",
    "[/foo]",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "a\nb\r\nc",
    'q"u,o\t|\\',
    "",
    "NULL",
    "日本",
]
NUMBERS = [2**63 - 1, -(2**63), 2**53 + 1, 0.1, 1e300, float("inf"), float("-inf")]
BLOB = b"\x00\xff\x00a"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """On a database that has a table `v` of values that break careless tools."""
    store = "create table v(id integer primary key, a); insert into v(a) values "
    params = [f":text={text}" for text in NASTY] + [f":int={number}" for number in NUMBERS[:3]]
    params += [f":real={number!r}" for number in NUMBERS[3:]] + [f":blob={BLOB.hex()}", ":null"]
    done = sldb(tmp_path, "--local", "db", "query", "create table v(id integer primary key, a)")
    assert done.returncode == 0, done.stderr
    insert = store.partition("; ")[2] + ", ".join(["(?)"] * len(params))
    flags = [word for param in params for word in ("-p", param)]
    done = sldb(tmp_path, "--local", "db", "query", insert, *flags)
    assert done.returncode == 0, done.stderr

    def run(*arguments: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        return sldb(tmp_path, "--local", "db", "query", *arguments, stdin=stdin)

    return run


VALUES = [*NASTY, *NUMBERS, BLOB, None]


def as_text(value: object, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return {float("inf"): "Inf", float("-inf"): "-Inf"}.get(value, str(value))  # type: ignore[arg-type]  # any key


# Every value, exactly


def test_json_and_jsonl_are_exact(run: Run) -> None:
    encoded = [
        {"$base64": True, "encoded": "AP8AYQ=="}
        if value == BLOB
        else {"$float": str(value)}
        if is_inf(value)
        else value
        for value in VALUES
    ]
    assert [row["a"] for row in json.loads(run("select a from v", "--format", "json").stdout)] == encoded
    lines = run("select a from v", "--format", "jsonl").stdout.split("\n")
    assert [json.loads(line)["a"] for line in lines[:-1]] == encoded


def is_inf(value: object) -> bool:
    return isinstance(value, float) and value in (float("inf"), float("-inf"))


def test_csv_keeps_cells_with_line_breaks_and_tells_null_from_nothing(run: Run) -> None:
    text = run("select id, a from v", "--format", "csv").stdout
    rows = list(csv.reader(io.StringIO(text, newline="")))
    infinities = {"Inf": "9e999", "-Inf": "-9e999"}  # as SQLite reads them
    shown = [as_text(value, "") for value in VALUES]
    assert [row[1] for row in rows[1:]] == [infinities.get(text, text) for text in shown]
    assert f'{NASTY.index("") + 1},""\n' in text
    assert text.endswith(f"{len(VALUES)},\n")


def test_tsv_is_one_line_a_row(run: Run) -> None:
    lines = run("select a from v", "--format", "tsv").stdout.split("\n")[1:-1]
    assert len(lines) == len(VALUES)
    assert lines[NASTY.index("a\nb\r\nc")] == "a\\nb\\r\\nc"
    assert lines[-1] == "\\N"


def test_inserts_give_every_value_back(run: Run) -> None:
    script = run("select a from v", "--format", "insert", "--table", "t").stdout
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table t(a)")
        connection.executescript(script)
        assert [row[0] for row in connection.execute("select a from t order by rowid")] == VALUES


def test_what_jsonl_and_csv_wrote_can_be_put_in_again(run: Run, tmp_path: Path) -> None:
    for name in ("v.jsonl", "v.csv"):
        assert run("select id, a from v", "-o", name).returncode == 0
        made = f"create table {name[2:]}_copy(id, a text)" if name == "v.csv" else "create table jsonl_copy(id, a)"
        assert run(made).returncode == 0
        done = run(f"insert into {name[2:]}_copy values (:id, :a)", "--params-from", name)
        assert done.returncode == 0, done.stderr
    difference = "select id, a from v except select id, a from jsonl_copy"
    assert run(difference, "--format", "jsonl").stdout == ""
    lost = "select count(*) as n from csv_copy join v using (id) where csv_copy.a is not v.a and typeof(v.a) = 'text'"
    assert run(lost, "--format", "csv").stdout == "n\n0\n"


def test_nan_is_null_as_sqlite_has_it(run: Run) -> None:
    done = run("select :x is null as gone", "-p", "x:real=nan", "--format", "csv")
    assert done.stdout == "gone\n1\n"


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_cell_is_markup_or_vanishes(run: Run, format_name: str) -> None:
    shown = run("select a from v where id <= 2", "--format", format_name).stdout
    assert "[red]x[/red] [b]" in shown
    assert "[/foo]" in shown


@posix
@pytest.mark.parametrize("format_name", FORMATS)
def test_no_cell_speaks_to_the_terminal(run: Run, tmp_path: Path, format_name: str) -> None:
    shown = on_terminal(tmp_path, "--local", "db", "query", "select a from v where id = 3", "--format", format_name)
    assert shown.status == 0
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", shown.text)
    assert "x1b[31mred" in shown.text or "u001b[31mred" in shown.text


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [
        ("table", " a\n───\n"),
        ("json", "[]\n"),
        ("jsonl", ""),
        ("csv", "a\n"),
        ("tsv", "a\n"),
        ("markdown", "| a |\n| --- |\n"),
        ("vertical", ""),
        ("insert", ""),
    ],
)
def test_no_rows_are_still_the_format(run: Run, format_name: str, expected: str) -> None:
    done = run("select a from v where 0", "--format", format_name)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)


@pytest.mark.parametrize("format_name", ["json", "jsonl", "insert"])
def test_columns_of_one_name_are_all_there(run: Run, format_name: str) -> None:
    shown = run("select 1 as id, 2 as id, 3 as id", "--format", format_name).stdout
    assert all(name in shown for name in ('"id"', '"id:1"', '"id:2"'))


# Scripts


def test_an_error_at_the_third_of_five_applies_nothing(run: Run) -> None:
    script = "create table n(x);\ninsert into n values (1);\ninsert into n values (nope);\nselect 1;\ndrop table v;"
    done = run(stdin=script)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: statement 3 of 5: no such column: nope [sql_error]",
        "  3 │ insert into n values (nope);",
        "    │                       ^",
    ]
    assert run("select * from n").returncode == 1
    assert run("select count(*) as n from v", "--format", "csv").stdout == f"n\n{len(VALUES)}\n"


def test_the_body_of_a_trigger_is_no_end_of_a_statement(run: Run) -> None:
    script = """create table log(x);
    create trigger t after insert on v begin
        insert into log values ('a; -- b'); -- ;
        insert into log select case when 1 then 'c' end;
    end;
    insert into v(a) values (1); select x from log"""
    assert run("--format", "csv", stdin=script).stdout == "x\na; -- b\nc\n"


def test_a_dump_with_begin_and_commit_runs(run: Run) -> None:
    dump = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE d(x);\nINSERT INTO d VALUES(1);\nCOMMIT;\n"
    assert run(stdin=dump).returncode == 0
    assert run("select x from d", "--format", "csv").stdout == "x\n1\n"


def test_errors_are_said_once_on_standard_error(run: Run) -> None:
    done = run("selec 1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("syntax error") == 1
    assert done.stderr.splitlines()[1:] == ["  selec 1", "  ^"]


# Terminals, pipes, people


def test_nobody_is_asked_off_a_terminal(run: Run) -> None:
    done = run("with x as (select 1) delete from v where id in x; drop table v", stdin="n\nn\n")
    assert done.returncode == 0
    assert "?" not in done.stderr


@posix
def test_with_delete_is_asked_about_on_a_terminal(run: Run, tmp_path: Path) -> None:
    sql = "with x as (select 1) delete from v where id in x"
    shown = on_terminal(tmp_path, "--local", "db", "query", sql, answers=[("Go on?", "n\n")])
    assert f"This deletes 1 of {len(VALUES)} rows of v." in shown.text
    assert shown.status == 1
    assert run("select count(*) as n from v where id = 1", "--format", "csv").stdout == "n\n1\n"


@posix
def test_a_reader_that_has_seen_enough_is_no_error(run: Run, tmp_path: Path) -> None:
    many = "with recursive n(i) as (select 1 union all select i + 1 from n limit 200000) select i from n"
    for format_name in FORMATS:
        command = [*COMMAND, "--local", "db", "query", many, "--format", format_name]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment(tmp_path)
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            os.read(process.stdout.fileno(), 10)
            process.stdout.close()
            assert process.stderr.read() == b"", format_name
            assert process.wait(60) == 0, format_name


def test_a_disk_that_is_full_is_no_success(run: Run, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "--local", "db", "query", "select 1"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(tmp_path),
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
