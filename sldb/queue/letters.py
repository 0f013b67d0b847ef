"""Dead letters: the messages of which each delivery has failed. They are looked at, sent again, or deleted.

SQS can only receive messages: to look at one is to hide it for a while. It is made visible again afterwards. SQS's own
redrive gives a message a new id ("All redriven messages are considered new messages with a new messageID", developer
guide, "Configure a dead-letter queue redrive"), and so could apply a write twice: here the id stays, in the body.

A FIFO queue drops a message with the deduplication id of one sent less than five minutes before, also when that one has
failed since ("Using the message deduplication ID in Amazon SQS"). So a message sent again has that of its dead letter:
the sender's own could be dropped, and then the dead letter deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.wire import is_action
from sldb.aws.errors import aws_errors
from sldb.queue.messages import MAX_BODY_BYTES, Outgoing, body_of
from sldb.queue.sending import send
from sldb.queue.stack_queue import StackQueue
from sldb.trace_parent import FIELD

HIDDEN_SECONDS = 60  # while they are looked at
_MAX = 10


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was received."""

    message_id: str
    receipt: str
    body: str
    sent_ms: int
    deliveries: int
    group: str  # of a FIFO queue
    source_arn: str  # the queue whose dead letter it is; "" if it is none
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # the producer's own: its trace

    @property
    def _content(self) -> dict[str, Any]:
        """The object in the body; an empty one if it has none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def _invocation(self) -> dict[str, Any]:
        """The context of a failed invocation; empty for messages."""
        context, payload = self._content.get("requestContext"), self._content.get("requestPayload")
        return context if isinstance(context, dict) and isinstance(payload, dict) else {}

    @property
    def event(self) -> dict[str, Any]:
        """The request: the body, or of a failed invocation the event. Empty if it is no object."""
        event = self._content["requestPayload"] if self._invocation else self._content
        return {name: value for name, value in event.items() if name != "asynchronous"}

    @property
    def request_id(self) -> str:
        """The id of the request for `sldb result`: its own, else that of the message or of the invocation."""
        given = self.event.get("request_id")
        if isinstance(given, str) and given:
            return given
        return str(self._invocation.get("requestId") or self.message_id)

    @property
    def database(self) -> str:
        given = self.event.get("database")
        return given if isinstance(given, str) and given else "main"

    @property
    def failure(self) -> str:
        """The error of a failed invocation; empty for messages."""
        payload = self._content.get("responsePayload") if self._invocation else None
        return str(payload.get("errorMessage", "")) if isinstance(payload, dict) else ""

    def again(self) -> Outgoing:
        """Return the message to send again: with the id that the first one had."""
        body = body_of({**self.event, "request_id": self.request_id}) if self.event else self.body
        return Outgoing(self.request_id, self.group or self.database, body, self.message_id, self.attributes)


def received(queue: StackQueue, url: str, limit: int) -> Iterator[Letter]:
    """Yield messages of a queue, hidden for a minute, as long as there are more of them. Raises SldbError."""
    seen: set[str] = set()
    while len(seen) < limit:
        with aws_errors("receive messages"):
            reply = queue.client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(_MAX, limit - len(seen)),
                VisibilityTimeout=HIDDEN_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        letters = [_decode(each) for each in reply.get("Messages", [])]
        new = [letter for letter in letters if letter.message_id not in seen]
        seen |= {letter.message_id for letter in new}
        yield from new
        if not new:
            return


def peek(queue: StackQueue, url: str, limit: int) -> list[Letter]:
    """Return messages of a queue, and leave them there. Raises SldbError."""
    letters: list[Letter] = []
    try:
        letters.extend(received(queue, url, limit))
    finally:
        for letter in letters:
            show_again(queue, url, letter)
    return letters


def show_again(queue: StackQueue, url: str, letter: Letter) -> None:
    with aws_errors("make a message visible again"):
        queue.client.change_message_visibility(QueueUrl=url, ReceiptHandle=letter.receipt, VisibilityTimeout=0)


@dataclass(frozen=True, slots=True)
class Redriven:
    sent: tuple[Outgoing, ...]
    left: tuple[tuple[Letter, str], ...]  # where they are, each with the reason


def redrive(queue: StackQueue, url: str, limit: int, *, own_arn: str | None) -> Redriven:
    """Send dead letters to the queue again, each before it is deleted: an interruption loses none, and the id makes a
    second sending harmless. `own_arn`: only the dead letters of this queue; None: of any. Raises SldbError."""
    sent, left = list[Outgoing](), list[tuple[Letter, str]]()
    try:
        for letter in received(queue, url, limit):
            reason = _why_left(letter, own_arn)
            if reason is not None:
                left.append((letter, reason))
                continue
            sent += send(queue, [letter.again()])
            with aws_errors("delete a dead letter"):
                queue.client.delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)
    finally:
        for letter, _ in left:
            show_again(queue, url, letter)
    return Redriven(tuple(sent), tuple(left))


def _why_left(letter: Letter, own_arn: str | None) -> str | None:
    """Return why a dead letter cannot be sent again; None if it can."""
    if own_arn is not None and letter.source_arn not in ("", own_arn):
        return f"it is a dead letter of {letter.source_arn}"
    if is_action(letter.event):
        return "it is an action, and a queue takes none: invoke the function with it"
    size_bytes = letter.again().size_bytes
    if size_bytes > MAX_BODY_BYTES:
        return f"with its id it has {size_bytes:,} bytes, and a message at most {MAX_BODY_BYTES:,}"
    return None


def _decode(message: dict[str, Any]) -> Letter:
    attributes = message.get("Attributes", {})
    return Letter(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        sent_ms=int(attributes.get("SentTimestamp", 0)),
        deliveries=int(attributes.get("ApproximateReceiveCount", 0)),
        group=attributes.get("MessageGroupId", ""),
        source_arn=attributes.get("DeadLetterQueueSourceArn", ""),
        attributes={name: each for name, each in message.get("MessageAttributes", {}).items() if name == FIELD},
    )
