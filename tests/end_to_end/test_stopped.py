"""Containers that are killed, and functions whose time is up."""

from __future__ import annotations

import io
import json
import uuid

import pytest

from sldb.cli.main import run as run_command
from sldb.client import Client, open_target
from sldb.emulator.front.hooks import ReplyLost
from sldb.shell.output import Output
from sldb.shell.session import Session
from sldb.shell.submission import submit
from tests.end_to_end.stack import FUNCTION, LOCK_KINDS, is_commit, once
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


@pytest.mark.parametrize("kind", LOCK_KINDS)
@pytest.mark.parametrize("applied", [False, True], ids=["before its commit", "after its commit"])
def test_a_container_that_is_killed(stack, kind, applied, capsys):
    """The transaction is there entirely or not at all, and the same request id sent again applies it once."""
    stack.use_lock(kind)
    table = stack.new_table()
    event = {"query": f"INSERT INTO {table} VALUES (1) RETURNING a", "request_id": uuid.uuid4().hex}

    def kill(call, proceed):
        if applied:
            proceed(call)
        stack.kill_the_busy_container()
        raise ReplyLost

    with stack.hook(once(is_commit, kill)):
        status, error = stack.invoke(event)
    assert (status, error["errorType"]) == (0, "Runtime.ExitError")
    assert stack.rows(table) == ([1] if applied else [])
    assert len(stack.locks()) == (kind == "security-group")
    if kind != "none":
        assert run_command(["unlock", "--yes"]) == 0
        assert f"INSERT {table}" in capsys.readouterr().err
    assert stack.run(**event)["rows"] == [[1]]
    assert stack.rows(table) == [1]
    assert stack.run(f"INSERT INTO {table} VALUES (2)")["txid"] == stack.run("SELECT 1")["txid"]


@pytest.mark.long
@pytest.mark.parametrize("applied", [False, True], ids=["before its commit", "after its commit"])
def test_a_transaction_of_the_shell_outlives_its_container(stack, applied):
    """What was shown is what another container commits, once, beside a commit of another client."""
    stack.use_lock("none")
    table = stack.new_table()
    session = Session(Client(open_target("lambda")), Output(io.StringIO(), io.StringIO(), format="jsonl", timing=False))
    submit(session, f"BEGIN; INSERT INTO {table} VALUES (random()); SELECT a FROM {table};")
    stack.run(f"CREATE TABLE {table}_beside (a)")

    def kill(call, proceed):
        if applied:
            proceed(call)
        stack.kill_the_busy_container()
        raise ReplyLost

    with stack.hook(once(is_commit, kill)):
        submit(session, "COMMIT;")
    assert session.transaction is None
    shown = json.loads(session.output.out.getvalue().splitlines()[-1])
    session.close()
    assert stack.rows(table) == [shown["a"]]


def test_an_asynchronous_invocation_that_lambda_repeats_is_applied_once(stack, monkeypatch):
    """Its container is killed when the commit is there; Lambda tries again, by itself and with the same id."""
    stack.use_lock("none")
    table = stack.new_table()
    monkeypatch.setattr(stack.aws._functions, "_minute_seconds", 0.2)

    def kill(call, proceed):
        proceed(call)
        stack.kill_the_busy_container()
        raise ReplyLost

    with stack.hook(once(is_commit, kill)):
        event = json.dumps({"query": f"INSERT INTO {table} VALUES (1)"})
        invoked = stack.functions.invoke(FunctionName=FUNCTION, Payload=event, InvocationType="Event")
        request_id = invoked["ResponseMetadata"]["RequestId"]
        ends = f"END RequestId: {request_id}"
        wait_until(lambda: sum(line == ends for line in stack.aws.log(FUNCTION)) == 2, "a second invocation's end")
    assert stack.rows(table) == [1]
    status, body = stack.invoke({"action": "result", "arguments": {"request_id": request_id}})
    assert (status, body["state"]) == (200, "applied")


@pytest.mark.parametrize("applied", [False, True])
def test_the_command_line_finds_out_what_became_of_a_write_that_lambda_stopped(stack, capsys, applied):
    """The function's time is up while its commit is on the way, and the client is told for certain."""
    stack.use_lock("none")
    table = stack.new_table()
    capsys.readouterr()

    def set_timeout(seconds):
        stack.functions.update_function_configuration(FunctionName=FUNCTION, Timeout=seconds)

    def stall(call, proceed):
        set_timeout(60)  # for the invocation that finds out
        if applied:
            proceed(call)
        wait_until(lambda: not any(each.busy for each in stack.aws.containers(FUNCTION)), "the function's end")
        raise ReplyLost

    set_timeout(3)
    try:
        with stack.hook(once(is_commit, stall)):
            status = run_command(["query", f"INSERT INTO {table} VALUES (1) RETURNING a", "--format", "csv"])
    finally:
        set_timeout(60)
    shown = capsys.readouterr()
    assert stack.rows(table) == ([1] if applied else [])
    assert (status, shown.out) == ((0, "a\n1\n") if applied else (1, ""))
    assert ("had not been applied" in shown.err) != applied
