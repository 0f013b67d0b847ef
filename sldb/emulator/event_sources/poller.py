"""The pollers of event source mappings: they collect messages, invoke the function, delete the successful messages.

As the developer guide describes it ("Using Lambda with Amazon SQS"): a batch is complete at its size, at the end of the
window that its first message opened, or at 6 MB; messages become visible again by their visibility timeout alone, also
after an error; with ReportBatchItemFailures all others of a batch are deleted. Any other answer of the function makes
the whole batch fail. A FIFO group is in one batch at a time, because the queue gives none of it out meanwhile.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from sldb.emulator.calls import function_config
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.function_config import FunctionName
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.event_sources.mappings import EventSources, SourceMapping
from sldb.emulator.runtime.functions import Functions
from sldb.emulator.sqs.message import Message, md5, md5_of_attributes
from sldb.emulator.sqs.queue import MAX_MESSAGES, Queue
from sldb.emulator.sqs.queues import Queues

MAX_EVENT_BYTES = 6 * 1024 * 1024
POLL_SECONDS = 0.05  # a hidden message becomes visible without a notice
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """The collected messages of a mapping, and the number of running invocations."""

    messages: list[Message] = field(default_factory=list)
    opened_at: float = 0.0
    running: int = 0


class Poller:
    def __init__(self, moto: Moto, queues: Queues, sources: EventSources, functions: Functions) -> None:
        self._moto = moto
        self._queues = queues
        self._sources = sources
        self._functions = functions
        self._batches: dict[str, _Batch] = {}  # by the mapping's UUID
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Begin no more invocations."""
        with self._queues.changed:
            self._stopping = True
            self._queues.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def join(self) -> None:
        """Wait for the running invocations; the containers have ended."""
        for thread in self._threads:
            thread.join()

    def advance(self, seconds: float, *, if_idle: bool) -> bool:
        """Move the time of the queues forward; `if_idle`: unless a batch is collected or delivered. Return True if it
        was moved."""
        with self._queues.changed:
            if if_idle and any(batch.running or batch.messages for batch in self._batches.values()):
                return False
            self._queues.clock.advance(seconds)
            self._queues.changed.notify_all()
            return True

    def _run(self) -> None:
        with self._queues.changed:
            while not self._stopping:
                self.tick()
                self._queues.changed.wait(POLL_SECONDS)

    def tick(self) -> None:
        """Collect messages, and invoke the functions of complete batches. Called under moto's lock."""
        for mapping in self._sources.all():
            queue = self._queues.by_arn(mapping.queue_arn)
            batch = self._batches.setdefault(mapping.uuid, _Batch())
            if queue is None:
                continue
            try:
                self._poll(mapping, queue, batch)
            except AwsError as error:  # the function is gone
                _logger.warning("event source mapping %s: %s", mapping.uuid, error)

    def _poll(self, mapping: SourceMapping, queue: Queue, batch: _Batch) -> None:
        if batch.running >= mapping.concurrency:
            return
        if mapping.is_enabled:
            self._collect(mapping, queue, batch)
        now = self._queues.clock.now()
        is_late = now - batch.opened_at >= mapping.window_seconds or not mapping.is_enabled
        if batch.messages and (len(batch.messages) >= mapping.batch_size or is_late or _is_full(batch)):
            messages, batch.messages = batch.messages, []
            batch.running += 1
            thread = threading.Thread(target=self._deliver, args=(mapping, queue, batch, messages), daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _collect(self, mapping: SourceMapping, queue: Queue, batch: _Batch) -> None:
        config = function_config.read(self._moto, FunctionName.parse(mapping.function_arn, ""))
        if not self._sources.may_poll(config.role_arn, queue.arn):
            return  # Lambda keeps trying
        while len(batch.messages) < mapping.batch_size and not _is_full(batch):
            count = min(MAX_MESSAGES, mapping.batch_size - len(batch.messages))
            received = self._queues.receive(queue, count)
            if not received:
                return
            if not batch.messages:
                batch.opened_at = self._queues.clock.now()
            batch.messages.extend(received)

    def _deliver(self, mapping: SourceMapping, queue: Queue, batch: _Batch, messages: list[Message]) -> None:
        receipts = {message.message_id: message.receipt for message in messages}
        try:
            function = FunctionName.parse(mapping.function_arn, "")
            event = {"Records": [_record(message, queue) for message in messages]}
            config = function_config.read(self._moto, function)
            outcome = self._functions.invoke(config, json.dumps(event).encode(), str(uuid.uuid4()))
            body = outcome.body
            done = set() if outcome.failed else _succeeded(set(receipts), body, partly=mapping.reports_failures)
        except AwsError as error:  # throttled, deleted meanwhile, or the emulator stops
            _logger.info("event source mapping %s: %s", mapping.uuid, error)
            done = set()
        with self._queues.changed:
            batch.running -= 1
            for name in done:
                queue.delete(receipts[name])
            self._queues.note_change()


def _is_full(batch: _Batch) -> bool:
    # The next messages could be of the largest size.
    return sum(len(each.body) for each in batch.messages) > MAX_EVENT_BYTES - MAX_MESSAGES * 262_144


def _succeeded(sent: set[str], body: bytes, *, partly: bool) -> set[str]:
    """Return the ids of the messages to be deleted, by the function's answer. All have failed if it names
    an unknown one, or is no answer of this kind ("Implementing partial batch responses")."""
    if not partly:
        return sent
    try:
        answer: Any = json.loads(body or b"null")
        failures = (answer or {}).get("batchItemFailures") or []
        failed = {each["itemIdentifier"] for each in failures}
    except (ValueError, AttributeError, TypeError, KeyError):
        return set()
    return sent - failed if failed <= sent else set()


def _record(message: Message, queue: Queue) -> dict[str, Any]:
    """Return a message as the event of a function has it."""
    record: dict[str, Any] = {
        "messageId": message.message_id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": message.system_attributes(),
        "messageAttributes": {name: _attribute(value) for name, value in message.attributes.items()},
        "md5OfBody": md5(message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": queue.arn.split(":")[3],
    }
    if message.attributes:
        record["md5OfMessageAttributes"] = md5_of_attributes(message.attributes)
    return record


def _attribute(value: dict[str, str]) -> dict[str, Any]:
    named = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}
    return {
        **{named[name]: text for name, text in value.items()},
        "stringListValues": [],
        "binaryListValues": [],
    }
