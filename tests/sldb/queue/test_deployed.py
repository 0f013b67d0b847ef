"""One stack with a queue, from its making to its end: order, batches, a killed container, dead letters, a change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from sldb.aws.options import AwsOptions
from sldb.doctor.queues import queue_findings
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.server import Emulator
from sldb.ops.status import deployed
from sldb.stack.account import connect
from tests.fakes.aws.emulated import emulated_aws, hooked, wheels_of
from tests.fakes.terminal.in_process import run_command
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(600)]

TIMEOUT_SECONDS, TRIES, ROWS = 30, 2, 100
HIDDEN_SECONDS = 6 * TIMEOUT_SECONDS + 1
FUNCTION = "test-db-function"


class Stack:
    def __init__(self, aws: Emulator, directory: Path) -> None:
        self.aws = aws
        self.directory = directory

    def ok(self, *arguments: str) -> str:
        status, out, err = run_command(arguments)
        assert status == 0, (arguments, err)
        return out

    def rows(self, sql: str) -> list[list[Any]]:
        return [list(each.values()) for each in json.loads(self.ok("query", sql, "--format", "json"))]

    def txid(self) -> int:
        return int(json.loads(self.ok("history", "--format", "json"))[0]["txid"])

    def doctor(self) -> str:
        """Return the findings about the queue."""
        state = deployed(connect(AwsOptions()), "test-db")
        return "\n".join(each.says for each in queue_findings(connect(AwsOptions()), state))

    def counts(self) -> dict[str, int]:
        found = json.loads(self.ok("queue", "status", "--format", "json"))
        return {each["queue"]: each["waiting"] + each["in_flight"] for each in found}

    def outputs(self) -> dict[str, str]:
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def switch(self, *, on: bool) -> None:
        """Let the queue be read, or not."""
        boto3.client("lambda").update_event_source_mapping(UUID=self.outputs()["QueueMappingId"], Enabled=on)

    def in_flight(self) -> int:
        names = ["ApproximateNumberOfMessagesNotVisible"]
        found = boto3.client("sqs").get_queue_attributes(QueueUrl=self.outputs()["QueueUrl"], AttributeNames=names)
        return int(found["Attributes"][names[0]])

    def drain(self) -> None:
        """Wait until the queue is empty; time passes as soon as nothing runs."""

        def is_empty() -> bool:
            if self.counts()["queue"] == 0:
                return True
            self.aws.advance(HIDDEN_SECONDS, if_idle=True)
            return False

        wait_until(is_empty, "the queue is empty")

    def enqueue_rows(self, name: str) -> list[str]:
        """Send ROWS rows, each as a message of its own, while nothing reads; return the ids."""
        path = self.directory / f"{name}.csv"
        path.write_text("n\n" + "".join(f"{n}\n" for n in range(ROWS)))
        self.switch(on=False)
        return self.ok("import", str(path), "--table", name, "--enqueue", "--batch", "1").split()


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws:
        stack = Stack(aws, tmp_path_factory.mktemp("queue"))
        settings = ("--timeout", str(TIMEOUT_SECONDS), "--queue-tries", str(TRIES), "--memory", "512")
        stack.ok("deploy", "--queue", "fifo", "--lock", "none", *settings)
        stack.ok("query", "CREATE TABLE fifo (at INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE standard (n INTEGER)")
        yield stack


@contextmanager
def killed_after_commit(aws: Emulator, nth: int) -> Iterator[threading.Event]:
    """Kill the container of the function once its n-th commit from now is stored, before it knows."""
    left, killed = [nth], threading.Event()

    def kill(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        answer = proceed(call)
        if call.action == "PutObject" and "/0000/" in call.path and answer.status == 200:
            left[0] -= 1
            if left[0] == 0:
                busy = next(each for each in aws.containers(FUNCTION) if each.busy and not each.has_answered)
                assert busy.pid is not None
                aws.kill_container(busy.pid)
                killed.set()
        return answer

    with hooked(aws, kill):
        yield killed


def test_queued_writes_are_applied_in_order_each_once_in_few_commits(stack: Stack) -> None:
    ids = stack.enqueue_rows("fifo")
    assert len(ids) == ROWS == stack.counts()["queue"]
    before = stack.txid()
    with killed_after_commit(stack.aws, 3) as killed:
        stack.switch(on=True)
        wait_until(killed.is_set, "the container is killed")
        stack.drain()
    assert [n for (n,) in stack.rows("SELECT n FROM fifo ORDER BY at")] == list(range(ROWS))
    assert stack.txid() - before <= 12
    assert json.loads(stack.ok("result", ids[-1], "--format", "json"))[0]["state"] == "applied"


def test_a_dead_letter_is_seen_mended_and_applied_once(stack: Stack) -> None:
    request_id = stack.ok("query", "INSERT INTO later VALUES (1)", "--enqueue").strip()
    stack.ok("query", "INSERT INTO fifo (n) VALUES ('after')", "--enqueue")
    stack.drain()
    assert stack.counts()["dead letters"] == 1
    assert stack.rows("SELECT count(*) FROM fifo WHERE n = 'after'") == [[1]]
    assert run_command(["result", request_id])[0] == 1
    (letter,) = json.loads(stack.ok("queue", "peek", "--format", "json"))
    assert (letter["request_id"], letter["database"]) == (request_id, "main")
    assert "1 dead letter in" in stack.doctor()
    stack.ok("query", "CREATE TABLE later (n)")
    assert stack.ok("queue", "redrive", "--yes").split() == [request_id]
    stack.drain()
    assert stack.counts()["dead letters"] == 0
    assert stack.rows("SELECT count(*) FROM later") == [[1]]
    assert json.loads(stack.ok("result", request_id, "--format", "json"))[0]["state"] == "applied"


def test_a_standard_queue_takes_large_batches(stack: Stack) -> None:
    stack.ok("deploy", "--queue", "standard", "--yes")
    stack.enqueue_rows("standard")
    before = stack.txid()
    stack.switch(on=True)
    wait_until(lambda: stack.in_flight() == ROWS, "all messages are collected")
    stack.aws.advance(1)  # the window
    stack.drain()
    assert sorted(n for (n,) in stack.rows("SELECT n FROM standard")) == list(range(ROWS))
    assert stack.txid() - before <= 2


def test_the_stack_goes_and_its_data_and_messages_stay(stack: Stack) -> None:
    stack.switch(on=False)
    assert "the mapping to the function is disabled" in stack.doctor()
    stack.ok("query", "INSERT INTO fifo (n) VALUES (1)", "--enqueue")
    url = stack.outputs()["QueueUrl"]
    status, _, err = run_command(["destroy", "--yes"])
    assert status == 0
    assert f"stays, with 1 message in it: {url}" in err
    stack.ok("deploy", "--queue", "fifo", "--lock", "none", "--queue-batch", "0")
    assert stack.rows("SELECT count(*) FROM standard") == [[ROWS]]
    stack.ok("queue", "redrive", "--from", url, "--yes")
    stack.drain()
    assert stack.rows("SELECT count(*) FROM fifo WHERE n = 1") == [[2]]
