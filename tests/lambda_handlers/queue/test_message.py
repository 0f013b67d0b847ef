"""The records of SQS, as they come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_handlers.queue.message import decode

ARN = "arn:aws:sqs:us-east-1:1:queue"
BODY = json.dumps({"query": "SELECT 1"})


def record(body: Any = BODY, arn: str | None = None, **attributes: str) -> dict[str, Any]:
    return {
        "messageId": "m",
        "body": body,
        "attributes": attributes,
        **({} if arn is None else {"eventSourceARN": arn}),
    }


@pytest.mark.parametrize(
    ("arn", "group"), [(None, "g"), (ARN + ".fifo", "g"), (ARN, None)], ids=["unknown", "fifo", "fair"]
)
def test_only_a_fifo_queue_has_an_order(arn: str | None, group: str | None) -> None:
    assert decode(record(arn=arn, MessageGroupId="g"), "s", 0).group == group


def test_the_id_is_that_of_the_body_or_of_the_message_and_never_the_deduplication_id() -> None:
    own = decode(record(MessageDeduplicationId="d", SentTimestamp="1500"), "s", 0)
    given = decode(record(json.dumps({"query": "SELECT 1", "request_id": "r"}), SentTimestamp="1500"), "s", 0)
    assert own.request is not None
    assert own.queued is not None
    assert given.request is not None
    assert given.queued is not None
    assert (own.request.request_id, own.queued.sent_at) == ("m", 1.5)
    assert (given.request.request_id, given.queued.sent_at) == ("r", None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        5,
        "no json",
        "[" * 100_000,
        "[]",
        json.dumps({"query": 1}),
        json.dumps({"action": "drop_database"}),
        json.dumps({"query": "SELECT 1", "stack": "other"}),
        json.dumps({"query": "SELECT 1", "unknown": 1}),
    ],
)
def test_what_is_no_request_for_this_function(body: Any) -> None:
    message = decode(record(body), "s", 0)
    assert message.request is None
    assert message.error is not None
    assert message.error.code == "bad_request"


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "٣", None])
def test_attributes_that_are_no_numbers_count_as_absent(number: Any) -> None:
    message = decode(record(SentTimestamp=number, ApproximateReceiveCount=number), "s", 1)
    assert (message.sent_at, message.is_last_try) == (None, False)


def test_an_action_is_refused_by_its_name() -> None:
    message = decode(record(json.dumps({"action": "drop_database"})), "s", 0)
    assert message.error is not None
    assert "takes no actions" in message.error.message
