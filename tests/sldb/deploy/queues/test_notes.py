"""What a plan says of the queue, without a stack."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sldb.deploy.queues.change import change_notes
from sldb.stack.state import StackState

EMPTY = {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
ACCOUNT: Any = SimpleNamespace(
    queues=SimpleNamespace(
        get_queue_attributes=lambda **_: {"Attributes": EMPTY}, exceptions=SimpleNamespace(QueueDoesNotExist=KeyError)
    )
)
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/"
STACK = StackState(
    "id",
    "UPDATE_COMPLETE",
    parameters={"Queue": "fifo"},
    outputs={"QueueUrl": f"{URL}q.fifo", "DeadLettersUrl": f"{URL}d.fifo"},
)


def test_a_new_queue_has_its_price_and_one_that_stays_nothing() -> None:
    [price] = change_notes(ACCOUNT, None, {"Queue": "standard"})
    assert "$0.40 per million requests to SQS" in price
    assert "about $0.26 a month" in price
    assert change_notes(ACCOUNT, STACK, {"Queue": "fifo"}) == ()


def test_a_version_that_knows_no_queues_has_none() -> None:
    [note] = change_notes(ACCOUNT, STACK, {})
    assert note == "the queue q.fifo stays, and is not read any more: let producers stop first"
