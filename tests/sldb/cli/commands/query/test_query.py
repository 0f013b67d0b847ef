"""The command `sldb query` as a process: streams, exit statuses, and the end of its reader or user."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from tests.fakes.aws.lambda_service import Answer, serve_lambda
from tests.fakes.terminal.command import COMMAND, environment, sldb
from tests.fakes.waiting import wait_until

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: str | bytes = b"", **extra: str) -> subprocess.CompletedProcess[str]:
        return sldb(tmp_path, "--local", str(tmp_path / "db"), "query", *arguments, stdin=stdin, extra=extra)

    return run


def test_a_table_and_nothing_else_on_standard_output(run: Run) -> None:
    done = run("select 1 as one, 'x' as two")
    assert done.stdout == " one │ two\n─────┼─────\n   1 │ x\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_a_write_is_confirmed_on_standard_error(run: Run) -> None:
    assert run("create table t(a)").stderr == "done · txid 1\n"
    done = run("insert into t values (1), (2)")
    assert (done.stdout, done.stderr) == ("", "2 rows changed · txid 2\n")
    assert run("delete from t", "--format", "json").stdout == "[]\n"


@pytest.mark.long
def test_sql_from_a_file_and_from_standard_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"\xef\xbb\xbfselect 'f\xc3\xa9' as x;")
    for arguments, stdin in [
        (["-f", str(tmp_path / "a.sql")], b""),
        (["-f", "-"], "select 'fé' as x"),
        ([], "select 'fé' as x"),
        (["-"], "select 'fé' as x"),
    ]:
        done = run(*arguments, "--format", "csv", stdin=stdin, LC_ALL="C", PYTHONUTF8="0")
        assert (done.stdout, done.returncode) == ("x\nfé\n", 0), arguments


def test_a_line_break_in_a_value_is_what_it_was(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"select 'a\r\nb\rc' as x")
    for arguments, stdin in ((["-f", "a.sql"], b""), ([], (tmp_path / "a.sql").read_bytes())):
        assert json.loads(run(*arguments, "--format", "jsonl", stdin=stdin).stdout) == {"x": "a\r\nb\rc"}


def test_a_trigger_in_a_script_is_one_statement(run: Run) -> None:
    script = """create table a(x); create table log(x);
    create trigger t after insert on a begin insert into log values (new.x || ';'); insert into log values ('b'); end;
    insert into a values (1); select * from log;"""
    assert run("--format", "csv", stdin=script).stdout == "x\n1;\nb\n"


def test_a_failure_in_the_middle_applies_nothing(run: Run) -> None:
    run("create table t(a unique)")
    done = run("insert into t values(1); insert into t values(2); insert into t values(1); select 1; select 2")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: statement 3 of 5: UNIQUE constraint failed: t.a [constraint]\n")
    assert run("select count(*) as n from t", "--format", "json").stdout == '[\n{"n": 0}\n]\n'


def test_parameters(run: Run) -> None:
    run("create table t(id integer, name text)", "--format", "json")
    run("insert into t values (?, ?), (?, ?)", "-p", "5", "-p", "01", "-p", "-6", "-p", "=a=b")
    done = run("select * from t where id = :id", "-p", "id=5", "--format", "json")
    assert json.loads(done.stdout) == [{"id": 5, "name": "01"}]
    done = run(
        "select typeof(:a) as a, typeof(:b) as b, :c as c",
        "-p",
        "a=1",
        "-p",
        "b:text=1",
        "-p",
        "c:blob=00ff",
        "--format",
        "csv",
    )
    assert done.stdout == "a,b,c\ninteger,text,X'00ff'\n"


def test_the_place_of_an_error(run: Run) -> None:
    done = run("select 1,\n  nope\nfrom (select 2)")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[:3] == ["error: no such column: nope [sql_error]", "  2 │   nope", "    │   ^"]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["selec 1"], 1, "syntax error"),
        (["--read-only", "create table t(a)"], 1, "[read_only]"),
        (["attach 'x.db' as x"], 1, "[forbidden]"),
        (["select 1", "--if-txid", "x"], 2, "--if-txid"),
        (["select 1", "--format", "xml"], 2, "no such format: xml"),
        (["select 1", "-p", "a=1", "-p", "2"], 2, "--param"),
        (["select 1", "-f", "x.sql"], 2, "give one of them"),
        (["-f", "no-such-file.sql"], 2, "no-such-file.sql"),
        (["select 1", "--timeout", "-1"], 2, "timeout"),
        (["select 1", "--database", "NO_NAME"], 2, "database"),
        (["select 1", "--target", "ftp:x"], 2, "give one of them"),
        (["create table t(a)", "--if-txid", "7"], 75, "[conflict]"),
        (["select 1", "--at", "99"], 1, "[not_found]"),
        ([".nope"], 2, "no such command"),
        ([".schema nope"], 1, "no such table"),
    ],
)
def test_exit_statuses(run: Run, arguments: list[str], status: int, says: str) -> None:
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_not_deployed_is_3(tmp_path: Path) -> None:
    done = sldb(tmp_path, "query", "select 1", extra={"AWS_REGION": "eu-west-1"})
    assert done.returncode == 3
    assert "credentials" in done.stderr
    assert "hint:" in done.stderr


def test_dry_run_says_that_it_was_one(run: Run) -> None:
    run("create table t(a)")
    done = run("insert into t values (1) returning a", "--dry-run", "--format", "csv")
    assert done.stdout == "a\n1\n"
    assert "rolled back" in done.stderr
    assert run("select * from t", "--format", "jsonl").stdout == ""


def test_the_same_request_id_applies_once(run: Run) -> None:
    run("create table t(a)")
    for _ in range(2):
        assert run("insert into t values (1)", "--request-id", "x1").returncode == 0
    assert run("select count(*) as n from t", "--format", "jsonl").stdout == '{"n": 1}\n'


def test_an_earlier_version(run: Run) -> None:
    run("create table t(a)")
    run("insert into t values (1)")
    assert run("select * from t", "--at", "1", "--format", "jsonl").stdout == ""
    assert run("select * from t", "--at", "2", "--format", "jsonl").stdout == '{"a": 1}\n'


def test_options_may_stand_on_either_side(tmp_path: Path) -> None:
    directory = str(tmp_path / "db")
    before = sldb(tmp_path, "--format", "csv", "--local", directory, "query", "select 1 as a")
    after = sldb(tmp_path, "query", "select 1 as a", "--format", "csv", "--local", directory)
    by_environment = sldb(
        tmp_path, "query", "select 1 as a", extra={"SLDB_FORMAT": "csv", "SLDB_TARGET": f"local:{directory}"}
    )
    assert before.stdout == after.stdout == by_environment.stdout == "a\n1\n"


def test_dot_commands_once(run: Run) -> None:
    run("create table users(id integer primary key, name text not null); create index by_name on users(name)")
    assert json.loads(run(".tables", "--format", "json").stdout) == [{"name": "users", "type": "table"}]
    assert "CREATE TABLE users(id integer" in run(".schema users").stdout
    described = json.loads(run(r"\d users", "--format", "json").stdout)
    assert [row["column"] for row in described] == ["id", "name"]
    assert run(".indexes", "--format", "csv").stdout == "name,table\nby_name,users\n"


def test_nothing_to_run_on_a_terminal_is_a_usage_error(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*COMMAND, "query"], stdin=theirs, capture_output=True, env=environment(tmp_path), timeout=60, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"nothing to run" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("format_name", ["table", "csv", "json"])
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, format_name: str) -> None:
    sql = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) select i, i from n"
    process = subprocess.Popen(
        [*COMMAND, "--local", str(tmp_path / "db"), "query", sql, "--format", format_name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_stops_waiting(tmp_path: Path) -> None:
    with serve_lambda() as service:
        answer_now = threading.Event()
        service.faults = [Answer(200, {}, waits=answer_now)]
        aws = {
            "AWS_ENDPOINT_URL": service.url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }
        process = subprocess.Popen(
            [*COMMAND, "query", "insert into t values (1)"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(tmp_path, aws),
        )
        assert service.received.wait(30)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        answer_now.set()
    assert process.returncode == 130, stderr
    assert stdout == b""
    assert re.search(rb"stopped waiting; whether it was applied is unknown: sldb result [0-9a-zA-Z-]+\n", stderr)
    assert b"Traceback" not in stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_cancels_at_the_function_and_tells_the_outcome(tmp_path: Path) -> None:
    with serve_lambda() as service:
        answer_now = threading.Event()
        cancelled = SldbError("cancelled", "the request was cancelled", applied="no")
        service.faults = [Answer(200, {"statusCode": 499, "body": cancelled.encode()}, waits=answer_now)]
        service.target.replies["cancel"] = {"state": "not_applied"}
        aws = {
            "AWS_ENDPOINT_URL": service.url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }
        process = subprocess.Popen(
            [*COMMAND, "query", "insert into t values (1)"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(tmp_path, aws),
        )
        assert service.received.wait(30)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: service.target.actions, "the cancel")
        answer_now.set()
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == b""
    assert b"the request was cancelled; nothing was applied [cancelled]" in stderr
    assert [action.name for action in service.target.actions] == ["cancel"]


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_on_a_terminal_a_table_is_boxed_and_summed_up(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--local", str(tmp_path / "db"), "query", "select '[/foo] [red]' as x, char(27) || '[31m' as y"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(tmp_path, {"TERM": "xterm", "NO_COLOR": "1"}),
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(60) == 0
    text = shown.decode()
    assert "│ [/foo] [red] │ \\x1b[31m │" in text
    assert "╭" in text
    assert "1 row · " in text
    assert "\x1b[31m" not in text
