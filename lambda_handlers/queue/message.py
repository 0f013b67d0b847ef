"""A message: one record of an event of SQS, and the request in its body.

A message without a `request_id` in its body has SQS's message id as its id, the same in each delivery. The
deduplication id is not used: two equal messages minutes apart are two. SQS gives a message sent again from the dead
letters a new message id.

Only a FIFO queue promises an order. Its ARN ends in `.fifo`; messages of a standard queue may have a group as well, for
fairness between groups ("Amazon SQS fair queues"), without an order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambda_handlers.events import message_headers, why_not_json
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql.own.queue_log import QueuedId
from lambda_handlers.wire import DEFAULT_DATABASE, Request, SldbError, bad_request, is_action, wrong_stack


@dataclass(frozen=True, slots=True)
class Message:
    id: str  # SQS's
    group: str | None  # in which the order holds; None: none
    is_last_try: bool  # if it fails, SQS moves it to the dead letters
    sent_at: float | None  # unix seconds; None: not known
    event: object  # the request as the body has it, with its id
    request: Request | None
    queued: QueuedId | None  # the id to remember
    error: SldbError | None  # why the body is no request
    headers: Mapping[str, str] | None = None  # the producer's attributes

    @property
    def database(self) -> str:
        return self.request.database if self.request else DEFAULT_DATABASE


def decode(record: Mapping[str, Any], stack: str, tries: int) -> Message:
    """Return the message in a record of an event. `stack`: of this function; `tries`: deliveries before the queue moves
    a message to its dead letters, 0 if not known."""
    attributes = record.get("attributes", {})
    is_fifo = str(record.get("eventSourceARN") or ".fifo").endswith(".fifo")
    group = attributes.get("MessageGroupId") if is_fifo else None
    sent_ms = _number(attributes.get("SentTimestamp"))
    received = _number(attributes.get("ApproximateReceiveCount")) or 0
    event: object = None
    request = queued = error = None
    sent_at = None if sent_ms is None else sent_ms / 1000
    try:
        event, is_own_id = _event(record)
        request = Request.decode(event)
        if request.stack not in (None, stack):
            raise wrong_stack(str(request.stack), stack)
        queued = QueuedId(request.request_id or record["messageId"], sent_at if is_own_id else None)
    except SldbError as refusal:
        error, request = refusal, None
    is_last_try = 0 < tries <= received
    headers = message_headers(record)
    return Message(record["messageId"], group, is_last_try, sent_at, event, request, queued, error, headers)


def _event(record: Mapping[str, Any]) -> tuple[object, bool]:
    """Return the request in a record, and True if it has the id of the message. Raises `bad_request`."""
    body = record.get("body") or ""
    if not isinstance(body, str):
        bad_request("body", body, "text")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SldbError("bad_request", f"the message's body is not JSON: {why_not_json(error)}") from error
    if is_action(event):
        raise SldbError(
            "bad_request", "a queue takes no actions, only SQL", "invoke the function with it", field="action"
        )
    is_own_id = isinstance(event, dict) and event.get("request_id") is None
    if is_own_id:
        event["request_id"] = record["messageId"]
    return event, is_own_id


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, (str, int)) and str(text).isascii() and str(text).isdecimal() else None
