"""Locks that are old, held or released; the functions and commands that free them."""

from __future__ import annotations

import json
import threading

import pytest

from sldb.cli.main import run as run_command
from tests.end_to_end.stack import DEADLOCK_FIX, FUNCTION, once
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def test_a_last_write_has_its_reply_before_its_lock_is_released(stack):
    """The release is held back here until the client has the reply; the next write finds the lock free."""
    stack.use_lock("security-group")
    table = stack.new_table()
    has_reply, released = threading.Event(), []

    def hold(call, proceed):
        if call.action == "DeleteSecurityGroup":
            released.append(has_reply.wait(60))
        return proceed(call)

    with stack.hook(hold):
        stack.run(f"INSERT INTO {table} VALUES (1)", last=True)
        has_reply.set()
        wait_until(lambda: not any(each.busy for each in stack.aws.containers(FUNCTION)), "idle containers")
    assert released == [True]
    stats = stack.run(f"INSERT INTO {table} VALUES (2)")["stats"]
    assert stats["after_ms"] > 0
    assert stack.rows(table) == [1, 2]


def test_the_deadlock_function_frees_old_locks_only(stack):
    stack.use_lock("security-group")
    young, old = stack.take_lock(age_seconds=5, database="young"), stack.take_lock(age_seconds=1000, database="old")
    status, body = stack.invoke({}, DEADLOCK_FIX)
    assert status == 200
    assert (body["checked"], [lock["lock_id"] for lock in body["freed"]]) == (2, [old])
    assert [lock["GroupId"] for lock in stack.locks()] == [young]
    stack.ec2.delete_security_group(GroupId=young)


def test_a_lock_that_was_taken_again_meanwhile_stays(stack):
    """The old lock goes, and a new one of its name comes, between the function's look and its delete."""
    stack.use_lock("security-group")
    old, fresh = stack.take_lock(age_seconds=1000), []

    def replace(call, proceed):
        stack.ec2.delete_security_group(GroupId=old)
        fresh.append(stack.take_lock())
        return proceed(call)

    deletes = once(lambda call: call.action == "DeleteSecurityGroup" and call.access_key != "emulator", replace)
    with stack.hook(deletes):
        status, _ = stack.invoke({}, DEADLOCK_FIX)
    assert status == 200
    assert [lock["GroupId"] for lock in stack.locks()] == fresh
    stack.ec2.delete_security_group(GroupId=fresh[0])


def test_a_waiting_writer_frees_an_old_lock(stack):
    stack.use_lock("security-group")
    table = stack.new_table()
    stack.take_lock(age_seconds=1000)
    stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]


def test_a_lock_that_is_not_free_in_time(stack):
    stack.use_lock("security-group")
    table = stack.new_table()
    lock_id = stack.take_lock()
    status, body = stack.invoke({"query": f"INSERT INTO {table} VALUES (1)", "timeout": 1.5})
    assert (status, body["error"]["code"]) == (423, "lock_timeout")
    assert body["error"]["holder"]["lock_id"] == lock_id
    assert "INSERT t" in body["error"]["message"] + json.dumps(body["error"]["holder"])
    assert stack.rows(table) == []
    stack.ec2.delete_security_group(GroupId=lock_id)


def test_unlock_shows_the_holder_and_frees_it(stack, capsys):
    stack.use_lock("security-group")
    stack.take_lock(age_seconds=30)
    capsys.readouterr()
    assert run_command(["unlock"]) == 2  # asks for --yes where nobody can be asked
    assert len(stack.locks()) == 1
    assert run_command(["unlock", "--yes"]) == 0
    told = capsys.readouterr().err
    assert "INSERT t" in told
    assert "somebody" in told
    assert stack.locks() == []
    assert run_command(["unlock", "--yes"]) == 0
