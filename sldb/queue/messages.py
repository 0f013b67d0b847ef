"""Requests as messages of a queue. Pure.

The body is the request as JSON, as the function takes it directly, with its `request_id`: a message that is delivered
or sent twice applies nothing twice. In a FIFO queue the group is the database, so that the writes of each database run
in their order, and the deduplication id is the request's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.wire import Request, SldbError
from sldb.trace_parent import message_attributes

MAX_BODY_BYTES = 262_144  # the limit of the template's queues
MAX_BATCH = 10  # of SendMessageBatch
_MAX_BATCH_BYTES = 262_144  # of its messages together; newer limits of SQS are larger


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is to be sent."""

    request_id: str
    database: str
    body: str
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=message_attributes)  # of SQS

    @property
    def size_bytes(self) -> int:
        """The size as SQS counts it: names, types and values of attributes, too."""
        of_attributes = sum(len(name) + len("".join(each.values())) for name, each in self.attributes.items())
        return len(self.body.encode()) + of_attributes

    def entry(self, entry_id: str, *, fifo: bool) -> dict[str, Any]:
        """Return the entry of SendMessageBatch."""
        of_fifo = {"MessageGroupId": self.database, "MessageDeduplicationId": self.request_id} if fifo else {}
        attributes = {"MessageAttributes": self.attributes} if self.attributes else {}
        return {"Id": entry_id, "MessageBody": self.body, **attributes, **of_fifo}


def message_of(request: Request, max_bytes: int = MAX_BODY_BYTES) -> Outgoing:
    """Return the message of a request with an id. Raises `bad_request` for what a queue cannot carry."""
    assert request.request_id is not None
    for name, value in (
        ("--at", request.at),
        ("--dry-run", request.dry_run or None),
        ("a transaction", request.transaction),
    ):
        if value is not None:
            raise SldbError("bad_request", f"{name} is not for a queue: nobody waits for the reply", applied="no")
    event = {**request.encode(), "database": request.database}
    for name in ("attempt", "careful", "timeout"):  # for whom waits
        event.pop(name, None)
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    found = Outgoing(request.request_id, request.database, body)
    if found.size_bytes > max_bytes:
        raise SldbError(
            "too_large",
            f"the request has {found.size_bytes:,} bytes, and a message of the queue at most {max_bytes:,}",
            "send it in parts, or to the function itself: leave --enqueue out",
            applied="no",
        )
    return found


def batches(messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Yield the messages in batches that SQS takes, in their order."""
    batch: list[Outgoing] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == MAX_BATCH or size + message.size_bytes > _MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += message.size_bytes
    if batch:
        yield batch
