"""The forms of events and of their replies. Pure.

direct invocation                        the request itself; {"statusCode", "body": object}
API Gateway payload 1.0 and 2.0,
and function URLs                        `lambda_handlers.http`; {"statusCode", "headers", "body": text}
SQS batch                                `lambda_handlers.queue`; {"batchItemFailures": [...]}
direct, with "asynchronous": true        the same as direct; an error is raised (`lambda_handlers.queue.asynchronous`)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

if TYPE_CHECKING:
    from lambda_handlers.settings import Settings


class Context(Protocol):
    """The part of Lambda's context object used here."""

    @property
    def aws_request_id(self) -> str: ...

    def get_remaining_time_in_millis(self) -> int: ...


def traces(settings: Settings, context: Context | None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the ids of the traces of a request; none unless SLDB_TRACING asks for them. `headers`: of an HTTP request,
    with names in lower case."""
    if not settings.tracing:
        return {}
    from lambda_handlers.tracing import trace_ids  # a cold start without tracing does not need it

    return trace_ids(context, headers)


def line_of(settings: Settings, context: Context | None, headers: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the first fields of the line of a request in the log. `headers`: as `traces` has them."""
    return {"aws_request_id": getattr(context, "aws_request_id", None), **traces(settings, context, headers)}


def message_headers(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that the producer gave to a message of a queue, those that are texts."""
    attributes = record.get("messageAttributes")
    if not isinstance(attributes, Mapping):
        return {}
    found = {name: each.get("stringValue") for name, each in attributes.items() if isinstance(each, Mapping)}
    return {name: value for name, value in found.items() if isinstance(value, str)}


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


def is_asynchronous(event: object) -> TypeGuard[Mapping[str, Any]]:
    """Return True for a direct event whose sender does not wait for the reply."""
    return isinstance(event, Mapping) and event.get("asynchronous") is True


def why_not_json(error: Exception) -> str:
    """Return the reason why a text is not JSON; for one of Python's own limits, not in Python's words."""
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return str(error)
    return "it is nested too deep" if isinstance(error, RecursionError) else "a number in it has too many digits"


def reply_of(event: object, status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply to an event that is not of a queue."""
    return http_reply(status, body) if is_http(event) else {"statusCode": status, "body": body}


def http_reply(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        "isBase64Encoded": False,
    }
