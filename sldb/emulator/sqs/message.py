"""A message of a queue, and its digests. Pure."""

from __future__ import annotations

import base64
import hashlib
import secrets
import struct
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_STRING, _BINARY = b"\x01", b"\x02"


@dataclass(slots=True)
class Message:
    body: str
    sent_at: float  # unix seconds
    sender: str = "emulator"
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)  # the producer's, as they came
    group: str = ""  # FIFO
    deduplication_id: str = ""  # FIFO
    sequence: int = 0  # FIFO: the order
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    visible_at: float = 0.0  # unix seconds
    first_received_at: float = 0.0
    receive_count: int = 0
    receipt: str = ""  # of the last time that it was given out
    source_arn: str = ""  # of the queue whose dead letter it is

    def encode(self) -> dict[str, Any]:
        return asdict(self)

    def is_in_flight(self, now: float) -> bool:
        return self.receive_count > 0 and self.visible_at > now

    def receive(self, now: float, visibility_seconds: float) -> None:
        """Count a delivery, with a new receipt."""
        self.receive_count += 1
        self.first_received_at = self.first_received_at or now
        self.visible_at = now + visibility_seconds
        self.receipt = secrets.token_urlsafe(48)

    def system_attributes(self) -> dict[str, str]:
        """Return the attributes of a received message, as the API reference of ReceiveMessage lists them."""
        found = {
            "SenderId": self.sender,
            "SentTimestamp": str(int(self.sent_at * 1000)),
            "ApproximateReceiveCount": str(self.receive_count),
            "ApproximateFirstReceiveTimestamp": str(int(self.first_received_at * 1000)),
        }
        if self.group:
            found["MessageGroupId"] = self.group
        if self.sequence:
            found.update(MessageDeduplicationId=self.deduplication_id, SequenceNumber=sequence_text(self.sequence))
        if self.source_arn:
            found["DeadLetterQueueSourceArn"] = self.source_arn
        return found


def sequence_text(sequence: int) -> str:
    """Return a sequence number as SQS has them: twenty digits."""
    return f"{sequence:020d}"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Mapping[str, Mapping[str, str]]) -> str:
    """Return the digest of message attributes; the developer guide has its calculation ("Calculating the MD5 message
    digest for message attributes")."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        given = attributes[name]
        kind = given["DataType"]
        is_binary = kind.startswith("Binary")
        value = base64.b64decode(given["BinaryValue"]) if is_binary else given["StringValue"].encode()
        for part in (name.encode(), kind.encode()):
            digest.update(struct.pack(">I", len(part)) + part)
        digest.update((_BINARY if is_binary else _STRING) + struct.pack(">I", len(value)) + value)
    return digest.hexdigest()
