"""The queues of all regions: their creation, attributes, and the moves to dead-letter queues.

Used under moto's lock. `changed` wakes those waiting for messages.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.sqs.clock import Clock
from sldb.emulator.sqs.message import Message
from sldb.emulator.sqs.queue import Queue

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
    "SqsManagedSseEnabled": "true",
}
_RANGES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_OTHERS = (
    *("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"),
    *("Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"),
)
_OF_FIFO = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")


class Queues:
    def __init__(
        self,
        clock: Clock,
        lock: threading.RLock,
        saved: Mapping[str, list[dict[str, Any]]] | None = None,
        save: Callable[[dict[str, Any]], None] = lambda _all: None,
    ) -> None:
        """Open the queues. `saved`: those of each region, encoded; `save` is called with all of them after a change."""
        self.clock = clock
        self.changed = threading.Condition(lock)
        self._save = save
        self._queues: dict[str, dict[str, Queue]] = {
            region: {each["name"]: Queue.decode(each) for each in queues} for region, queues in (saved or {}).items()
        }

    def note_change(self) -> None:
        """Save the state, and wake those waiting for messages."""
        self._save({region: [queue.encode() for queue in queues.values()] for region, queues in self._queues.items()})
        self.changed.notify_all()

    def of_region(self, region: str) -> dict[str, Queue]:
        return self._queues.setdefault(region, {})

    def all(self) -> Iterator[Queue]:
        for queues in self._queues.values():
            yield from queues.values()

    def named(self, region: str, name: str) -> Queue:
        """Return a queue. Raises AwsError QueueDoesNotExist."""
        found = self.of_region(region).get(name)
        if found is None:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        return found

    def by_arn(self, arn: str) -> Queue | None:
        return next((queue for queue in self.all() if queue.arn == arn), None)

    def create(self, region: str, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]) -> Queue:
        """Return a new queue, or the existing one with the same attributes. Raises AwsError."""
        if not _NAME.fullmatch(name):
            raise _invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
        is_fifo = attributes.get("FifoQueue") == "true"
        if is_fifo != name.endswith(".fifo"):
            raise _invalid(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or "
                "underscores, must end with .fifo suffix and be 1 to 80 in length."
            )
        self._check(attributes, is_fifo=is_fifo)
        existing = self.of_region(region).get(name)
        if existing is not None:
            if any(existing.attributes.get(key) != value for key, value in attributes.items()):
                raise AwsError(
                    "QueueNameExists",
                    "A queue already exists with the same name and a different value for an attribute",
                )
            return existing
        now = self.clock.now()
        arn = f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"
        queue = Queue(name, arn, {**_DEFAULTS, **attributes}, now, now, dict(tags))
        self.of_region(region)[name] = queue
        return queue

    def set_attributes(self, queue: Queue, attributes: Mapping[str, str]) -> None:
        """Change attributes; an empty policy removes it."""
        if attributes.get("FifoQueue", queue.attributes.get("FifoQueue")) != queue.attributes.get("FifoQueue"):
            raise AwsError("InvalidAttributeName", "Unknown Attribute FifoQueue.")
        self._check(attributes, is_fifo=queue.is_fifo)
        merged = {**queue.attributes, **attributes}
        queue.attributes = {name: value for name, value in merged.items() if value != ""}
        queue.changed_at = self.clock.now()

    def delete(self, region: str, name: str) -> None:
        self.named(region, name)
        del self.of_region(region)[name]

    def receive(self, queue: Queue, count: int, visibility_seconds: float | None = None) -> list[Message]:
        """Return the delivered messages; dead letters move to their queue."""
        now = self.clock.now()
        seconds = queue.number("VisibilityTimeout") if visibility_seconds is None else visibility_seconds
        given, dead = queue.receive(count, seconds, now)
        policy = queue.redrive()
        for message in dead:
            target = self.by_arn(policy.target_arn) if policy else None
            if target is not None:
                target.take_dead_letter(message, queue, now)
        if given or dead:
            self.note_change()
        return given

    def _check(self, attributes: Mapping[str, str], *, is_fifo: bool) -> None:
        for name, value in attributes.items():
            if name in _RANGES:
                low, high = _RANGES[name]
                if value and not (value.isdigit() and low <= int(value) <= high):
                    raise AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
            elif name not in (*_DEFAULTS, *_OTHERS) or (name in _OF_FIFO and not is_fifo):
                raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if attributes.get("RedrivePolicy"):
            self._check_redrive(attributes["RedrivePolicy"], is_fifo=is_fifo)

    def _check_redrive(self, text: str, *, is_fifo: bool) -> None:
        policy = json.loads(text)
        target = self.by_arn(str(policy.get("deadLetterTargetArn")))
        count = str(policy.get("maxReceiveCount", ""))
        if target is None:
            raise _invalid(
                f"Value {text} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
            )
        if target.is_fifo != is_fifo:
            raise _invalid(
                f"Value {text} for parameter RedrivePolicy is invalid. Reason: Dead-letter target must be "
                "same type of queue as the source."
            )
        if not (count.isdigit() and 1 <= int(count) <= 1000):
            raise _invalid(
                f"Value {text} for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount."
            )


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)
