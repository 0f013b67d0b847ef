"""The queues of writes, in order and not: messages are applied once each, in few commits."""

from __future__ import annotations

import json
import time
from typing import Any

from live.plan import Failed, Option, Usage
from live.stage import Stage, expect

MESSAGES = 40
SECONDS = 120.0  # for all of them
CREATE = "CREATE TABLE IF NOT EXISTS queued (kind TEXT, number INTEGER)"


def _fifo(stage: Stage) -> None:
    stage.query(CREATE)
    expect(_commits(stage, "fifo") < MESSAGES, "messages share commits")
    rows = stage.query("SELECT number FROM queued WHERE kind = 'fifo' ORDER BY rowid").rows
    expect([row[0] for row in rows] == list(range(MESSAGES)), "the messages were applied in their order")


def _standard(stage: Stage) -> None:
    stage.query(CREATE)


def _names(stage: Stage) -> str:
    name = _url(stage).rpartition("/")[2]
    if not name.endswith(".fifo"):
        raise Failed(f"CloudFormation called the queue {name}")
    return "CloudFormation gave the queue a name that ends in .fifo"


def _batches(stage: Stage) -> str:
    commits = _commits(stage, "standard")
    if commits > MESSAGES // 4:
        raise Failed(f"{MESSAGES} messages took {commits} commits")
    return f"{MESSAGES} messages took {commits} commits"


def _commits(stage: Stage, kind: str) -> int:
    """Send messages, wait until all are applied, once each, and return the number of their commits."""
    before, url = stage.query("SELECT 1").txid, _url(stage)
    sqs = stage.account.session.client("sqs")
    for first in range(0, MESSAGES, 10):
        sent = sqs.send_message_batch(
            QueueUrl=url, Entries=[_entry(kind, number) for number in range(first, first + 10)]
        )
        expect(not sent.get("Failed"), f"SQS takes the messages: {sent.get('Failed')}")
    until = time.monotonic() + SECONDS
    while True:
        reply = stage.query(f"SELECT count(*), count(DISTINCT number) FROM queued WHERE kind = '{kind}'")
        if reply.rows == [(MESSAGES, MESSAGES)]:
            return reply.txid - before
        expect(time.monotonic() < until, f"{MESSAGES} messages are applied within {SECONDS:.0f} s: {reply.rows}")
        time.sleep(0.2)


def _entry(kind: str, number: int) -> Any:
    body = {"query": "INSERT INTO queued VALUES (?, ?)", "params": [kind, number], "database": "main"}
    entry = {"Id": str(number), "MessageBody": json.dumps(body)}
    if kind == "fifo":
        entry.update(MessageGroupId="main", MessageDeduplicationId=str(number))
    return entry


def _url(stage: Stage) -> str:
    (stack,) = stage.account.cloudformation.describe_stacks(StackName=stage.name)["Stacks"]
    return next(output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == "QueueUrl")


_OTHERS = (
    *("--no-readers", "--no-insights", "--alarms", "none", "--no-dashboard"),
    *("--reserved-concurrency", "none"),
)
OPTIONS = (
    Option(
        "queue fifo",
        "a queue in order, dead letters",
        (*_OTHERS, "--queue", "fifo"),
        _fifo,
        {"queue-names": _names},
        Usage(requests=60),
    ),
    Option(
        "queue standard",
        "a queue without an order, dead letters",
        (*_OTHERS, "--queue", "standard"),
        _standard,
        {"queue-batches": _batches},
        Usage(requests=60),
        is_short=False,
    ),
)
