"""A queue of SQS: messages with visibility timeouts, receive counts, FIFO groups and deduplication. Pure, but for ids.

The rules are those of the SQS developer guide (visibility timeout, FIFO delivery logic, exactly-once processing,
dead-letter queues):

* a received message is hidden until its visibility timeout ends, then it can be received again;
* no message of a FIFO group is given out while another one of it is in flight; inside a group they come in order;
* a message of a FIFO queue is accepted once for each deduplication id within five minutes, in the queue or in its group
  (DeduplicationScope), and later ones of the same id get the first one's answer;
* after `maxReceiveCount` deliveries a message moves to the dead-letter queue instead of being received again;
  it keeps its id, in a standard queue also the start of its retention, the time of its sending.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.sqs.message import Message

DEDUPLICATION_SECONDS = 300
MAX_MESSAGES = 10  # of one ReceiveMessage
MAX_IN_FLIGHT = 120_000


@dataclass(frozen=True, slots=True)
class Redrive:
    """The target of messages after too many deliveries."""

    target_arn: str
    max_receive_count: int


@dataclass(slots=True)
class Queue:
    name: str
    arn: str
    attributes: dict[str, str]  # as CreateQueue and SetQueueAttributes have them, with the defaults
    created_at: float
    changed_at: float
    tags: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)  # in the order of sending
    sequence: int = 0
    # deduplication id, with its group if it counts in that → message id, sequence, when it is forgotten
    recent: dict[str, tuple[str, int, float]] = field(default_factory=dict)

    @property
    def is_fifo(self) -> bool:
        return self.attributes.get("FifoQueue") == "true"

    def number(self, name: str) -> int:
        return int(self.attributes[name])

    def encode(self) -> dict[str, Any]:
        """Return the queue as an object for JSON."""
        fields = ("name", "arn", "attributes", "created_at", "changed_at", "tags", "sequence", "recent")
        return {
            **{name: getattr(self, name) for name in fields},
            "messages": [message.encode() for message in self.messages],
        }

    @classmethod
    def decode(cls, encoded: dict[str, Any]) -> Queue:
        recent = {name: tuple(value) for name, value in encoded["recent"].items()}
        messages = [Message(**each) for each in encoded["messages"]]
        return cls(**{**encoded, "messages": messages, "recent": recent})

    def send(self, message: Message, delay_seconds: float, now: float) -> Message:
        """Add a message; return it, or the earlier one if it is a duplicate."""
        self.forget_old(now)
        if not self.is_fifo:
            message.visible_at = now + delay_seconds
            self.messages.append(message)
            return message
        message.deduplication_id = message.deduplication_id or self._content_id(message)
        scope = f"{message.group} " if self.attributes.get("DeduplicationScope") == "messageGroup" else ""
        key = scope + message.deduplication_id
        earlier = self.recent.get(key)
        if earlier is not None:
            message.message_id, message.sequence = earlier[:2]
            return message
        self.sequence += 1
        message.sequence = self.sequence
        message.visible_at = now + self.number("DelaySeconds")
        self.recent[key] = message.message_id, message.sequence, now + DEDUPLICATION_SECONDS
        self.messages.append(message)
        return message

    def receive(self, count: int, visibility_seconds: float, now: float) -> tuple[list[Message], list[Message]]:
        """Return the delivered messages, and the dead letters removed instead."""
        self.forget_old(now)
        limit, given, dead = self._max_receive_count(), list[Message](), list[Message]()
        blocked = {message.group for message in self.messages if message.is_in_flight(now)} if self.is_fifo else set()
        for message in list(self.messages):
            if len(given) >= count:
                break
            if self.is_fifo and message.group in blocked:
                continue
            if message.visible_at > now:
                if self.is_fifo:
                    blocked.add(message.group)  # a delayed one: those behind it wait
                continue
            if limit is not None and message.receive_count >= limit:
                self.messages.remove(message)
                dead.append(message)
                continue
            message.receive(now, visibility_seconds)
            given.append(message)
        return given, dead

    def take_dead_letter(self, message: Message, source: Queue, now: float) -> None:
        """Add a dead letter of another queue."""
        message.source_arn, message.receive_count, message.first_received_at = source.arn, 0, 0.0
        message.visible_at, message.receipt = now, ""
        if self.is_fifo:
            self.sequence += 1
            message.sequence, message.sent_at, message.deduplication_id = self.sequence, now, message.message_id
        self.messages.append(message)

    def delete(self, receipt: str) -> None:
        """Delete the message with its newest receipt. An older one deletes nothing, and is no error."""
        message = self._with_receipt(receipt)
        if message is not None:
            self.messages.remove(message)

    def change_visibility(self, receipt: str, seconds: float, now: float) -> None:
        """Let a message in flight be visible after so many seconds from now."""
        message = self._with_receipt(receipt)
        if message is None or not message.is_in_flight(now):
            raise AwsError(
                "MessageNotInflight",
                "The specified message isn't in flight, or its visibility timeout has ended.",
            )
        message.visible_at = now + seconds

    def counts(self, now: float) -> dict[str, int]:
        """Return the numbers of messages, as the attributes of a queue."""
        self.forget_old(now)
        in_flight = sum(message.is_in_flight(now) for message in self.messages)
        delayed = sum(message.receive_count == 0 and message.visible_at > now for message in self.messages)
        return {
            "ApproximateNumberOfMessages": len(self.messages) - in_flight - delayed,
            "ApproximateNumberOfMessagesNotVisible": in_flight,
            "ApproximateNumberOfMessagesDelayed": delayed,
        }

    def forget_old(self, now: float) -> None:
        """Drop the messages beyond the retention, and the deduplication ids of more than five minutes ago."""
        retention = self.number("MessageRetentionPeriod")
        self.messages = [message for message in self.messages if message.sent_at + retention > now]
        self.recent = {name: each for name, each in self.recent.items() if each[2] > now}

    def redrive(self) -> Redrive | None:
        """Return the redrive policy."""
        text = self.attributes.get("RedrivePolicy")
        if not text:
            return None
        policy = json.loads(text)
        return Redrive(policy["deadLetterTargetArn"], int(policy["maxReceiveCount"]))

    def _max_receive_count(self) -> int | None:
        policy = self.redrive()
        return None if policy is None else policy.max_receive_count

    def _with_receipt(self, receipt: str) -> Message | None:
        return next((message for message in self.messages if receipt == message.receipt), None)

    def _content_id(self, message: Message) -> str:
        if self.attributes.get("ContentBasedDeduplication") != "true":
            raise AwsError(
                "InvalidParameterValue",
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
                "explicitly",
            )
        return hashlib.sha256(message.body.encode()).hexdigest()
