"""`sldb logs` against the emulated CloudWatch Logs: what is shown, what is passed through, what is followed."""

from __future__ import annotations

import json
import re
import time
from itertools import islice
from typing import Any

from sldb.ops.logs import LogEvent, follow, line_for
from tests.sldb.commands import Commands

GROUP = "/aws/lambda/test-db-function"
LINE = {
    "time": "2026-11-25T05:46:44.602Z",
    "level": "info",
    "event": "request",
    "aws_request_id": "9636b8a4",
    "request_id": "mine",
    "database": "orders",
    "txid": 7,
    "cold": True,
    "lock_wait_ms": 36.3,
    "store_requests": 1,
    "ms": 110.598,
    "status": 200,
}


def put(sldb: Commands, *messages: str, ago_seconds: float = 1.0) -> None:
    logs = sldb.client("logs")
    stream = f"stream-{time.monotonic_ns()}"
    logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    at_ms = int((time.time() - ago_seconds) * 1000)
    events = [{"timestamp": at_ms + i, "message": message} for i, message in enumerate(messages)]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_a_line_for_each_request_and_the_lines_as_they_are(sldb: Commands) -> None:
    sldb.ok("deploy")
    messages = ["START RequestId: 9636b8a4 Version: $LATEST", json.dumps(LINE), "Task timed out after 3.00 seconds"]
    put(sldb, *messages)
    put(sldb, json.dumps({**LINE, "request_id": "old"}), ago_seconds=3000)
    assert sldb.ok("logs").out.splitlines() == messages  # no terminal here
    times, shown = zip(
        *(line.split("  ", 1) for line in sldb.ok("logs", "--format", "table").out.splitlines()), strict=True
    )
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", each) for each in times)
    assert sldb.ok("logs", "--format", "table", "--since", times[0]).out.splitlines()[0].startswith(times[0])
    assert list(shown) == [
        "orders            query         110.6 ms  200   txid 7 · cold · 36 ms waiting for the lock · 1 store request",
        "Task timed out after 3.00 seconds",
    ]
    assert sldb.ok("logs", "--since", "1h", "--request-id", "old").out.count("\n") == 1
    none = sldb.ok("logs", "--function", "deadlock-fix", "--request-id", "mine")
    assert (none.out, none.err.startswith("no lines about mine since 2")) == ("", True)


def test_more_events_than_a_page_holds(sldb: Commands) -> None:
    sldb.ok("deploy")
    put(sldb, *(f"line {number}" for number in range(9000)))
    put(sldb, *(f"line {number}" for number in range(9000, 12000)), ago_seconds=0)
    assert sorted(map(int, sldb.ok("logs").out.replace("line ", "").split())) == list(range(12000))


def test_a_function_that_is_gone_and_a_stack_that_never_was(sldb: Commands) -> None:
    assert sldb("logs").status == 3
    sldb.ok("deploy")
    sldb.client("logs").delete_log_group(logGroupName=GROUP)
    ran = sldb("logs")
    assert (ran.status, f"there is no log {GROUP}" in ran.err) == (3, True)
    for function, option in (("read", "--readers"), ("authorizer", "--api token"), ("api", "--api token")):
        ran = sldb("logs", "--function", function)
        assert (ran.status, f"`sldb deploy {option}` adds one" in ran.err) == (1, True)
    for text in ("soon", "10x", "2999-01-01"):
        ran = sldb("logs", "--since", text)
        assert (ran.status, f"--since: got '{text}'" in ran.err) == (2, True)
    assert sldb("--local", "x", "logs").status == 2


class LateLogs:
    """CloudWatch as it is at its worst: one event comes late, out of order, and the others come again."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self._answers = list(answers)
        self.exceptions = type("exceptions", (), {"ResourceNotFoundException": KeyError})

    def get_paginator(self, name: str) -> LateLogs:
        assert name == "filter_log_events"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        events = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [{"events": [event for event in events if event["timestamp"] >= asked["startTime"]]}]


def test_what_comes_late_is_shown_once() -> None:
    first = {"eventId": "1", "timestamp": 100_000, "message": "a"}
    second = {"eventId": "2", "timestamp": 102_000, "message": "b"}
    late = {"eventId": "3", "timestamp": 101_000, "message": "c"}
    clock = iter(range(103, 1000))
    logs: Any = LateLogs([first, second], [first, late, second], [first, late, second])
    seen = follow(logs, GROUP, 0, now=lambda: float(next(clock)), sleep=lambda seconds: None)
    assert [event.message for event in islice(seen, 3)] == ["a", "b", "c"]


def test_what_cannot_be_read_is_shown_as_it_is() -> None:
    assert (line_for(LogEvent("1", 0, '{"broken')) or "").endswith('  {"broken')
    assert (line_for(LogEvent("1", 0, '{"event": "free_locks", "checked": 2}')) or "").endswith(
        "  free_locks  checked=2"
    )
    assert line_for(LogEvent("1", 0, "REPORT RequestId: x")) is None
    failed = line_for(
        LogEvent("1", 0, json.dumps({**LINE, "status": 500, "code": "internal", "traceback": "Trace\n x"}))
    )
    assert failed is not None
    assert "500 internal" in failed
    assert failed.endswith("\nTrace\n x")
