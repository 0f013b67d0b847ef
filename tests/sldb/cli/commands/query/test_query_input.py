"""The sources of SQL and parameters, and their places in errors."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.terminal.command import sldb

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        return sldb(tmp_path, "--local", "db", "query", *arguments, stdin=stdin)

    return run


def test_commands_and_files_run_in_their_order_as_one_transaction(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("insert into t values ('a'); insert into t values ('b')")
    (tmp_path / "c.sql").write_text("insert into t values ('d');")
    done = run(
        *("-c", "create table t(x)", "-f", "a.sql", "--command=insert into t values ('c')", "--file", "c.sql"),
        *("-f-", "-cselect * from t", "--format", "csv", "--no-header"),
        stdin="insert into t values ('e')",
    )
    assert (done.stdout, done.returncode) == ("a\nb\nc\nd\ne\n", 0)
    assert json.loads(sldb(tmp_path, "--local", "db", "history", "--format", "json").stdout)[0]["txid"] == 1


def test_a_failure_in_a_file_is_at_its_line_and_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1;\nselect 2;")
    (tmp_path / "b.sql").write_text("create table t(x);\n\n\tselect '日本', nope\n  from t;")
    done = run("-c", "select 0", "-f", "a.sql", "-f", "b.sql")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: b.sql:3:15: statement 5 of 5: no such column: nope [sql_error]",
        "  3 │     select '日本', nope",
        "    │                    ^",
    ]
    assert run("select * from t").returncode == 1


def test_several_results_are_all_shown_to_people(run: Run) -> None:
    assert run("-c", "select 1 as a", "-c", "select 2 as b").stdout == " a\n───\n 1\n\n b\n───\n 2\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["select 1", "-c", "select 2"], "give one of them"),
        (["-f", "-", "-f", "-"], "once"),
        (["-c", ".tables", "-c", "select 1"], "alone"),
        ([".tables", "--null", "x"], "alone"),
        (["select 1", "--null", "x", "--format", "json"], "--null"),
        (["-c", "select 1", "-c", "select 2", "--params-from", "x.csv"], "one"),
        (["select ?", "--params-from", "none.csv"], "none.csv cannot be read"),
        (["select 1", "-o", "no/such/directory/x"], "cannot be written"),
    ],
)
def test_usage(run: Run, arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert says in done.stderr


def test_rows_of_parameters_are_one_transaction(run: Run, tmp_path: Path) -> None:
    run("create table t(id integer primary key, name text, pic blob)")
    (tmp_path / "rows.csv").write_text('id,name\n1,Ada\n2,"line\nbreak"\n3,\n')
    done = run("insert into t(id, name) values (:id, :name)", "--params-from", "rows.csv")
    assert (done.returncode, done.stderr) == (0, "3 rows changed · txid 2\n")
    (tmp_path / "rows.jsonl").write_text('{"id": 4, "pic": {"$base64": true, "encoded": "AP8="}}\n')
    assert run("update t set pic = :pic where id = 3 or id = :id", "--params-from", "rows.jsonl").returncode == 0
    shown = run("select id, name, hex(pic) as pic from t", "--format", "jsonl").stdout
    assert [tuple(json.loads(line).values()) for line in shown.splitlines()] == [
        (1, "Ada", ""),
        (2, "line\nbreak", ""),
        (3, None, "00FF"),
    ]


def test_rows_of_parameters_come_from_a_pipe(run: Run) -> None:
    done = run("select :a || :b as x", "--params-from", "-", "--format", "csv", stdin="a;b\r1;x\r")
    assert (done.returncode, done.stdout) == (0, "x\n1x\n"), done.stderr
    done = run("select :a", "--params-from", "-", stdin="a\n1\n2,3\n")
    assert (done.returncode, done.stderr) == (
        2,
        "error: standard input:3:3: 2 cells, and the header has 1; nothing was applied [bad_request]\n",
    )
    for sql in ([], ["-"], ["-f", "-"]):
        done = run(*sql, "--params-from", "-", stdin="select 1")
        assert (done.returncode, "--params-from - reads standard input" in done.stderr) == (2, True)


def test_rows_of_parameters_in_another_encoding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("a;b\r\nZoë;1\r\n".encode("latin-1"))
    done = run("select :a as a", "--params-from", "rows.csv")
    assert (done.returncode, "rows.csv:2:3: not utf-8 text" in done.stderr) == (2, True)
    assert "--encoding" in done.stderr
    done = run("select :a as a", "--params-from", "rows.csv", "--encoding", "latin-1", "--format", "csv")
    assert (done.returncode, done.stdout) == (0, "a\nZoë\n")
    done = run("select :a as a", "--params-from", "rows.csv", "--encoding", "nope")
    assert (done.returncode, "no such encoding: nope" in done.stderr) == (2, True)


def test_the_rows_of_all_executions_are_one_result(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("[1]\n[2]\n[3]\n")
    done = run("select ? * 10 as x", "--params-from", "rows.jsonl", "--format", "csv")
    assert (done.stdout, done.stderr) == ("x\n10\n20\n30\n", "")
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    done = run("select :n as a; select :n + :k as b", "--params-from", "rows.jsonl", "-p", "k=5")
    assert done.stdout == " a\n───\n 1\n 2\n\n b\n───\n 6\n 7\n"
    done = run("select :n as n", "--params-from", "rows.jsonl", "-p", "n=9", "--format", "csv")
    assert done.stdout == "n\n1\n2\n"  # what the row says outweighs what is said for all


def test_a_row_that_fails_is_named_and_none_is_applied(run: Run, tmp_path: Path) -> None:
    run("create table t(id integer primary key)")
    (tmp_path / "rows.csv").write_text("id\n1\n2\n1\n4\n")
    done = run("insert into t values (:id)", "--params-from", "rows.csv")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: rows.csv:4: UNIQUE constraint failed: t.id [constraint]"
    assert run("select count(*) as n from t", "--format", "jsonl").stdout == '{"n": 0}\n'


def test_a_workbook_as_parameters_is_to_be_saved_as_csv(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK\x03\x04" + b"[Content_Types].xml xl/workbook.xml")
    done = run("insert into t values (:id)", "--params-from", "rows.xlsx")
    assert (done.returncode, "hint: save it as CSV" in done.stderr) == (2, True)
    (tmp_path / "rows.csv").write_text("id,a\n1\n")
    done = run("insert into t values (:id)", "--params-from", "rows.csv")
    assert (done.returncode, "--on-error" in done.stderr) == (2, False)


def test_no_rows_run_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id\n")
    done = run("insert into t values (:id)", "--params-from", "rows.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "rows.csv has no rows: nothing was run\n")


def test_a_file_too_large_names_import(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"id\n" + b"1\n" * 3_000_001)
    done = run("insert into t values (:id)", "--params-from", "rows.csv")
    assert done.returncode == 1
    assert "sldb import --local db rows.csv" in done.stderr


def test_a_dump_of_sqlite3_runs_as_it_is(run: Run, tmp_path: Path) -> None:
    source = sqlite3.connect(":memory:")
    source.executescript(
        "create table a(id integer primary key autoincrement, b references a deferrable initially deferred);"
        "insert into a values (1, 2), (2, 9); create index i on a(b); create view v as select * from a;"
        "create trigger g after insert on a begin insert into a(b) select 0 where 0; select 'x;y'; end;"
    )
    dump = "PRAGMA foreign_keys=OFF;\n" + "\n".join(source.iterdump()) + "\n"
    source.close()
    (tmp_path / "dump.sql").write_text(dump)
    assert run("-f", "dump.sql").returncode == 0
    assert run("select * from v; select seq from sqlite_sequence", "--format", "csv").stdout == "seq\n2\n"
    assert run("select * from v", "--format", "csv").stdout == "id,b\n1,2\n2,9\n"
    done = run(stdin=dump)  # everything is there already
    assert done.returncode == 1
    before = dump.partition("CREATE")[0].count("\n")  # Python 3.13 may turn foreign keys off itself
    assert f"statement {before + 1} of " in done.stderr
    other = ("--database", "other")
    assert run(*other, "--create", stdin=dump.replace("COMMIT;", "ROLLBACK; -- due to errors")).returncode == 0
    assert run(*other, "select name from sqlite_schema where name = 'a'", "--format", "csv").stdout == "name\n"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["select :a, :b", "-p", "a=1"], "the statement needs :b", "-p b=…"),
        (["select :a"], "the statement needs :a", "-p a=…"),
        (["select ?, ?", "-p", "1"], "the statement needs 2 parameters, and got 1", "-p VALUE for each ?"),
        (["select :name", "-p", "nmae=1"], "no statement has the parameter :nmae", "did you mean :name?"),
        (["select 1", "-p", "1"], "the statement needs no parameters, and got 1", ""),
    ],
)
def test_missing_parameters_are_named(tmp_path: Path, arguments: list[str], message: str, hint: str) -> None:
    done = sldb(tmp_path, "--local", str(tmp_path / "db"), "query", *arguments)
    assert done.returncode == 2
    assert f"error: {message} [bad_request]" in done.stderr
    assert f"hint: {hint}" in done.stderr if hint else "hint:" not in done.stderr
