"""Requests as messages of a queue. Pure.

The body is the request as JSON, as the function takes it directly, with its `request_id`: a message that is delivered
or sent twice applies nothing twice. In a FIFO queue the group is the database, so that the writes of each database run
in their order, and the deduplication id is the request's.

SQS takes the characters of XML 1.0 alone in a body, and ids of 128 characters of ASCII without spaces (API reference,
SendMessage): JSON has escapes for the other characters, and other ids are hashed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.wire import Request, SldbError
from sldb.trace_parent import message_attributes

MAX_BODY_BYTES = 262_144  # the limit of the template's queues
MAX_BATCH = 10  # of SendMessageBatch
_MAX_BATCH_BYTES = 262_144  # of its messages together; newer limits of SQS are larger
_SQS_ID = re.compile(r"[!-~]{1,128}")
_NOT_IN_BODIES = re.compile("[\ud800-\udfff\ufffe\uffff]")  # JSON's own escapes are for those below U+0020


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is to be sent."""

    request_id: str
    database: str  # or another group of a FIFO queue
    body: str
    deduplication_id: str = ""  # of a FIFO queue; "": the request's
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=message_attributes)  # of SQS

    @property
    def size_bytes(self) -> int:
        """The size as SQS counts it: names, types and values of attributes, too."""
        of_attributes = sum(len(name) + len("".join(each.values())) for name, each in self.attributes.items())
        return len(self.body.encode()) + of_attributes

    def entry(self, entry_id: str, *, fifo: bool) -> dict[str, Any]:
        """Return the entry of SendMessageBatch."""
        entry: dict[str, Any] = {"Id": entry_id, "MessageBody": self.body}
        if self.attributes:
            entry["MessageAttributes"] = self.attributes
        if fifo:
            entry["MessageGroupId"] = _sqs_id(self.database)
            entry["MessageDeduplicationId"] = _sqs_id(self.deduplication_id or self.request_id)
        return entry


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
    for name in ("attempt", "careful", "last", "timeout"):  # for whom waits
        event.pop(name, None)
    found = Outgoing(request.request_id, request.database, body_of(event))
    if found.size_bytes > max_bytes:
        raise SldbError(
            "too_large",
            f"the request has {found.size_bytes:,} bytes, and a message of the queue at most {max_bytes:,}",
            "send it in parts, or to the function itself: leave --enqueue out",
            applied="no",
        )
    return found


def body_of(event: Mapping[str, Any]) -> str:
    """Return a request as the body of a message."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return _NOT_IN_BODIES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _sqs_id(text: str) -> str:
    return text if _SQS_ID.fullmatch(text) else hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


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
