"""Races, lost answers and refusals; requests that want too much."""

from __future__ import annotations

import threading
import uuid

import pytest

from sldb.cli.main import run as run_command
from sldb.emulator.calls.call import Answer
from sldb.emulator.front.hooks import ReplyLost
from tests.end_to_end.stack import FUNCTION, LOCK_KINDS, is_commit, once

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


@pytest.mark.parametrize("kind", LOCK_KINDS)
def test_eight_writers_at_once(stack, kind):
    """Every acknowledged row is there exactly once, and no other."""
    stack.use_lock(kind)
    table = stack.new_table()
    acknowledged, refused = [], []

    def write(writer: int) -> None:
        for number in range(2):
            value = writer * 100 + number
            status, body = stack.invoke(
                {"query": f"INSERT INTO {table} VALUES ({value})", "request_id": uuid.uuid4().hex}
            )
            if status == 200:
                acknowledged.append(value)
            else:
                refused.append((value, body["error"]["code"]))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stack.rows(table)) == sorted(acknowledged)
    assert {code for _, code in refused} <= {"lock_timeout", "conflict"}
    assert len(acknowledged) + len(refused) == 16
    assert acknowledged
    assert stack.run("PRAGMA integrity_check")["rows"] == [["ok"]]
    assert stack.locks() == []


@pytest.mark.parametrize("kind", LOCK_KINDS[:2])
def test_a_writer_whose_lock_was_broken_cannot_overwrite(stack, kind, capsys):
    """Its lock is broken, and another writer commits, between its last look and its commit."""
    stack.use_lock(kind)
    table = stack.new_table()

    def break_in(call, proceed):
        assert run_command(["unlock", "--yes"]) == 0
        stack.run(f"INSERT INTO {table} VALUES ('the other')")
        return proceed(call)

    with stack.hook(once(is_commit, break_in)):
        body = stack.run(f"INSERT INTO {table} VALUES ('the broken')")
    assert stack.rows(table) == ["the other", "the broken"]
    assert body["txid"] == stack.run("SELECT 1")["txid"]
    assert stack.locks() == []


def test_a_lost_answer_to_the_lock(stack):
    stack.use_lock("security-group")
    table = stack.new_table()

    def lose(call, proceed):
        proceed(call)
        raise ReplyLost

    with stack.hook(once(lambda call: call.action == "CreateSecurityGroup", lose)):
        stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]
    assert stack.locks() == []


@pytest.mark.parametrize("kind", LOCK_KINDS)
def test_a_lost_answer_to_the_commit(stack, kind):
    stack.use_lock(kind)
    table = stack.new_table()

    def lose(call, proceed):
        proceed(call)
        raise ReplyLost

    with stack.hook(once(is_commit, lose)):
        body = stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]
    assert body["txid"] == stack.run("SELECT 1")["txid"]


def test_a_store_that_refuses_the_commit(stack):
    """Nothing is applied, the reply says so, and the lock is free again."""
    stack.use_lock("security-group")
    table = stack.new_table()

    def refuse(call, proceed):
        return Answer(403, (), b"<Error><Code>AccessDenied</Code></Error>") if is_commit(call) else proceed(call)

    with stack.hook(refuse):
        status, body = stack.invoke({"query": f"INSERT INTO {table} VALUES (1)"})
    assert (status, body["error"]["code"], body["error"]["applied"]) == (503, "store_error", "no")
    assert stack.rows(table) == []
    assert stack.locks() == []


@pytest.mark.parametrize("kind", LOCK_KINDS[:2])
def test_a_function_of_sqlites_that_does_not_look_at_the_clock(stack, kind, capsys):
    """Its caller is told in time, its lock is free, and the next invocation finds a function that works."""
    stack.use_lock(kind)
    table = stack.new_table()
    stuck = "SELECT instr(hex(zeroblob(20000000)), hex(zeroblob(100000)) || '1')"  # minutes
    stack.functions.update_function_configuration(FunctionName=FUNCTION, Timeout=4)
    try:
        status, body = stack.invoke({"query": f"INSERT INTO {table} VALUES (1); {stuck}"})
        assert (status, body["error"]["code"]) == (408, "query_timeout")
    finally:
        stack.functions.update_function_configuration(FunctionName=FUNCTION, Timeout=60)
    assert stack.locks() == []
    assert stack.run(f"INSERT INTO {table} VALUES (2)")["stats"]["lock_wait_ms"] < 5000
    assert stack.rows(table) == [2]


@pytest.mark.long
@pytest.mark.parametrize("memory", [256])
def test_requests_that_want_too_much_leave_a_function_that_works(stack, memory):
    """In the real process, with a limit of memory at which it would be killed."""
    stack.use_lock("security-group")
    table = stack.new_table()
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    attempts = {
        f"{series} SELECT count(*) FROM n": "query_timeout",
        f"{series} INSERT INTO {table} SELECT randomblob(1000) FROM n": "query_timeout",
        f"{series} SELECT i FROM n ORDER BY -i": "query_timeout",
        "SELECT zeroblob(1000000000)": "too_large",
        "SELECT length(replace(hex(zeroblob(40000000)), '0', 'xxxxxxxxxx'))": "too_large",
        f"UPDATE {table} SET a = (SELECT group_concat(hex(zeroblob(1000000))) FROM ({series} SELECT i FROM n))": "",
        "SELECT json(replace(hex(zeroblob(500000)), '00', '['))": "sql_error",
        "SELECT " + "+".join(["1"] * 5000): "sql_error",
        "SELECT 1;" * 100_000: "too_large",
    }
    stack.run(f"INSERT INTO {table} VALUES (1)")
    stack.functions.update_function_configuration(FunctionName=FUNCTION, MemorySize=memory)
    try:
        for query, code in attempts.items():
            ends_by_itself = code not in ("", "query_timeout")  # however busy the machine is
            status, body = stack.invoke({"query": query, "timeout": 50 if ends_by_itself else 2})
            assert status >= 400, (query[:80], status, str(body)[:300])  # 0: the process was killed
            assert body["error"]["code"] in ([code] if code else ["too_large", "query_timeout"]), query[:80]
            assert stack.locks() == []
            assert stack.rows(table) == [1]
    finally:
        stack.functions.update_function_configuration(FunctionName=FUNCTION, MemorySize=1024)
