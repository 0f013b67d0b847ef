"""SQS, as a function sees it: batches of records, and what becomes of messages that come back.

Amazon SQS developer guide, "FIFO queue delivery logic" (no message of a group while an earlier one is in flight),
"Dead-letter queues" (a message received `maxReceiveCount` times is moved instead of delivered again), "At-least-once
delivery"; AWS Lambda developer guide, "Handling errors for an SQS event source" (partial batch responses).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass(slots=True)
class Held:
    id: str
    body: str
    group: str | None
    sent_at: float
    receives: int = 0
    in_flight: bool = False

    def record(self) -> dict[str, Any]:
        attributes = {
            "ApproximateReceiveCount": str(self.receives),
            "SentTimestamp": str(round(self.sent_at * 1000)),
            **({} if self.group is None else {"MessageGroupId": self.group}),
        }
        arn = "arn:aws:sqs:us-east-1:1:queue" + (".fifo" if self.group is not None else "")
        return {
            "messageId": self.id,
            "body": self.body,
            "attributes": attributes,
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
        }


@dataclass(slots=True)
class Queue:
    tries: int = 3
    chance: Random = field(default_factory=lambda: Random(0))
    now: Callable[[], float] = lambda: 1_800_000_000.0
    waiting: list[Held] = field(default_factory=list)
    dead: list[Held] = field(default_factory=list)
    sent: int = 0

    def send(self, body: object, group: str | None = None) -> str:
        """Send a message: JSON, or a text as it is. Return its id."""
        self.sent += 1
        text = body if isinstance(body, str) else json.dumps(body)
        id_ = f"{self.chance.getrandbits(128):032x}"
        self.waiting.append(Held(id_, text, group, self.now()))
        return id_

    def receive(self, most: int) -> list[Held]:
        """Return the next batch, which is in flight until it is settled."""
        batch: list[Held] = []
        blocked = {held.group for held in self.waiting if held.in_flight and held.group is not None}
        for held in list(self.waiting):
            if len(batch) == most:
                break
            if held.in_flight or held.group in blocked:
                continue
            if held.receives >= self.tries:
                self.waiting.remove(held)
                self.dead.append(held)
                continue
            held.receives += 1
            held.in_flight = True
            batch.append(held)
        return batch

    def settle(self, batch: Sequence[Held], failed: set[str] | None) -> None:
        """Delete the messages of a batch that have not failed; all have if the function has answered nothing."""
        for held in batch:
            held.in_flight = False
            if failed is not None and held.id not in failed and held in self.waiting:
                self.waiting.remove(held)

    def deliver(self, handle: Callable[[dict[str, Any]], dict[str, Any]], most: int) -> list[Held]:
        """Deliver one batch, and return it. An error of the function ends here: its messages come again."""
        batch = self.receive(most)
        if batch:
            self.settle(batch, failed_of(handle, [held.record() for held in batch]))
        return batch


class Killed(BaseException):
    """The end of a process in the middle of a request."""


def failed_of(handle: Callable[[dict[str, Any]], dict[str, Any]], records: list[dict[str, Any]]) -> set[str] | None:
    """Return the ids of the messages that a function sends back; None if it has ended before it could answer."""
    try:
        reply = handle({"Records": records})
    except Killed:
        return None
    return {one["itemIdentifier"] for one in reply["batchItemFailures"]}
