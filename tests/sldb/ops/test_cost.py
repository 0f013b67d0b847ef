"""What the stack cost, from lines as the functions and Lambda write them."""

from __future__ import annotations

import json

import pytest

from sldb import price
from sldb.ops import cost
from sldb.ops.logs import LogEvent
from tests.sldb.commands import Commands
from tests.sldb.ops.test_logs import put

STATS = {"memory_mb": 1024, "architecture": "aarch64", "ms": 100.0, "store_requests": 5, "store_writes": 3}
READ = {"event": "request", "aws_request_id": "r1", **STATS, "store_writes": 0, "commit_ms": 0}
WRITE = {"event": "request", "aws_request_id": "r2", **STATS, "commit_ms": 8.5}


def report(request_id: str, ms: int = 100, mb: int = 1024) -> str:
    return (
        f"REPORT RequestId: {request_id}\tDuration: {ms - 0.5} ms\tBilled Duration: {ms} ms\t"
        f"Memory Size: {mb} MB\tMax Memory Used: 90 MB"
    )


MESSAGES = [json.dumps(READ), report("r1"), json.dumps(WRITE), report("r2"), report("error", 200), "START x"]
EVENTS = [LogEvent(str(i), i, message) for i, message in enumerate(MESSAGES)]


def test_each_request_is_counted_once() -> None:
    read, write, other = cost.queries(EVENTS, "aarch64")
    assert (read.count, write.count, other.count) == (1, 1, 1)
    assert read.dollars == pytest.approx(0.2e-6 + 0.1 * 0.0000133334 + 5 * 0.0000004)
    assert write.dollars == pytest.approx(0.2e-6 + 0.1 * 0.0000133334 + 3 * 0.000005 + 2 * 0.0000004)
    assert other.dollars == pytest.approx(0.2e-6 + 0.2 * 0.0000133334)


def test_a_batch_of_the_queue_is_one_invocation_with_the_requests_of_its_messages() -> None:
    alone = {**WRITE, "aws_request_id": "b1"}
    together = {"event": "request", "aws_request_id": "b1", "status": 200}
    batch = {"event": "batch", "aws_request_id": "b1", "messages": 3, "store_requests": 4, "store_writes": 1}
    lines = [json.dumps(alone), json.dumps(together), json.dumps(together), json.dumps(batch), report("b1", 300)]
    events = [*EVENTS, *(LogEvent(str(n), n, line) for n, line in enumerate(lines))]
    read, write, batches, other = cost.queries(events, "aarch64")
    assert [each.count for each in (read, write, batches, other)] == [1, 1, 1, 1]
    assert batches.dollars == pytest.approx(0.2e-6 + 0.3 * 0.0000133334 + 4 * 0.000005 + 5 * 0.0000004)
    moved, polls = cost.messages("fifo", events, cost.MONTH_SECONDS)
    assert (moved.count, polls.count) == (9, 648_000)
    assert polls.dollars == pytest.approx(0.324)
    assert list(cost.messages("none", events, 1.0)) == []


def test_a_stack_in_efs_beside_the_same_use_of_s3() -> None:
    assert cost.backups(2 << 30, cost.MONTH_SECONDS / 2).dollars == pytest.approx(0.05)
    in_efs, in_s3 = cost.beside_s3(2 << 30, EVENTS, cost.MONTH_SECONDS)
    assert in_s3 == pytest.approx(0.046 + 3 * 0.000005 + 7 * 0.0000004)
    assert in_efs == pytest.approx(0.70 + ((7 * 4 + 3 * 12) * 0.03 + 3 * 48 * 0.06) / 2**20)


def test_the_scheduled_function_and_what_is_kept() -> None:
    runs = cost.scheduled([LogEvent("1", 0, report("a", mb=512)), LogEvent("2", 0, "free_locks")], "x86_64")
    assert (runs.count, runs.each) == (1, pytest.approx(0.2e-6 + 0.05 * 0.0000166667))
    kept = cost.storage([1 << 30, 1 << 30], cost.MONTH_SECONDS / 2)
    assert kept.dollars == pytest.approx(price.S3_GB_MONTH)
    assert cost.logging([LogEvent("1", 0, "é" * 487)]).dollars == pytest.approx(1e-6 * price.LOG_GB)


def test_what_files_cost_is_not_what_objects_cost() -> None:
    line = {**READ, "bytes_in": 1 << 20, "bytes_out": 1 << 19}
    read, _, other = cost.queries([LogEvent("1", 0, json.dumps(line))], "aarch64", in_files=True)
    assert read.dollars == pytest.approx(0.2e-6 + 0.1 * 0.0000133334 + (1024 + 5 * 4) / 2**20 * 0.03 + 0.06 / 2048)
    assert other.what == "other requests, without EFS"
    assert cost.file_system(1 << 31, cost.MONTH_SECONDS).dollars == pytest.approx(0.60)


def access(api: str, status: str = "200", function: str = "f-1") -> str:
    return json.dumps({"api": api, "status": status, "function": function})


def test_requests_to_apis_are_counted_but_for_those_that_api_gateway_refuses() -> None:
    lines = [access("a1"), access("a1", "403"), access("b2"), access("a1", "403", "-"), access("b2", "429", "-")]
    lines += [access("b2", "500", "-"), access("other"), "no json", "[1]"]
    events = [LogEvent(str(i), i, line) for i, line in enumerate(lines)]
    token, key, iam = cost.requests(events, {"a1": "token", "b2": "key", "c3": "iam"})
    assert (token.count, token.dollars) == (2, pytest.approx(2e-6))
    assert (key.count, key.dollars) == (2, pytest.approx(7e-6))
    assert (iam.count, iam.dollars) == (0, 0)
    assert cost.secret(cost.MONTH_SECONDS / 2).dollars == pytest.approx(0.2)
    assert cost.authorizer([LogEvent("1", 0, report("a"))], "aarch64").count == 1


def test_the_command(sldb: Commands) -> None:
    sldb.ok("deploy")
    put(sldb, *MESSAGES)
    ran = sldb.ok("cost", "--since", "1h", "--format", "json")
    rows = {row["what"]: row for row in json.loads(ran.out)}
    assert [row["number"] for row in rows.values()][:3] == [1, 1, 1]
    assert rows["queries that write"]["dollars a month"] == pytest.approx(
        rows["queries that write"]["dollars"] * 720, rel=1e-9
    )
    assert rows["log lines"]["number"] >= len(MESSAGES)
    assert "a month at this pace" in ran.err
    assert "objects kept" in sldb.ok("cost").out
    assert sldb("cost", "--since", "x").status == 2
    assert sldb("--local", "x", "cost").status == 2


def test_the_prices_are_told_with_their_sources(sldb: Commands) -> None:
    rows = json.loads(sldb.ok("cost", "--prices", "--format", "json").out)
    assert {row["source"].rpartition("/pricing")[0].rpartition("/")[2] for row in rows} == {
        "lambda",
        "s3",
        "cloudwatch",
        "api-gateway",
        "secrets-manager",
        "kms",
        "sqs",
        "efs",
        "backup",
    }
    assert all(0 < row["dollars"] < 4 for row in rows)
