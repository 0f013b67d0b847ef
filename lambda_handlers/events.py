"""The forms of events and of their replies. Pure.

direct invocation                        the request itself; {"statusCode", "body": object}
API Gateway payload 1.0 and 2.0,
and function URLs                        `lambda_handlers.http`; {"statusCode", "headers", "body": text}
SQS batch                                one request per record; {"batchItemFailures": [...]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard

from lambda_handlers.wire import SldbError, bad_request, is_action


class Context(Protocol):
    """The part of Lambda's context object used here."""

    @property
    def aws_request_id(self) -> str: ...

    def get_remaining_time_in_millis(self) -> int: ...


def is_http(event: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(event, Mapping) and "requestContext" in event and ("httpMethod" in event or "rawPath" in event)


def is_queue(event: object) -> TypeGuard[Mapping[str, Any]]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        return False
    return all(isinstance(record, Mapping) and _is_message(record) for record in records)


def _is_message(record: Mapping[str, Any]) -> bool:
    return (
        record.get("eventSource") == "aws:sqs"
        and isinstance(record.get("messageId"), str)
        and isinstance(record.get("attributes", {}), Mapping)
    )


def record_request(record: Mapping[str, Any]) -> object:
    """Return the request in an SQS record. Without a request id of its own it has the message id, so that a message
    that is delivered twice is applied once. Raises `bad_request`."""
    body = record.get("body") or ""
    if not isinstance(body, str):
        bad_request("body", body, "text")
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SldbError("bad_request", f"the message's body is not JSON: {why_not_json(error)}") from error
    if isinstance(request, dict) and not is_action(request) and request.get("request_id") is None:
        request["request_id"] = record["messageId"]
    return request


def why_not_json(error: Exception) -> str:
    """Return the reason why a text is not JSON; for one of Python's own limits, not in Python's words."""
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return str(error)
    return "it is nested too deep" if isinstance(error, RecursionError) else "a number in it has too many digits"


def http_reply(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        "isBase64Encoded": False,
    }
