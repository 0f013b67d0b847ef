"""Asynchronous invocations (`InvocationType` Event): an error is raised, so that Lambda sees it.

For Lambda an error in a reply is a success, and nothing in an event or its context says how it was invoked. So the
sender says it: `"asynchronous": true`. Then Lambda runs the event again, twice, and sends it to the failure destination
of the function, with the request in it ("Retain records of asynchronous invocations", AWS Lambda developer guide).

Each repetition has the request id of the first invocation. An applied one is recognised by it, or by the `request_id`
of the request, as long as a message of a queue: Lambda may repeat for six hours, and events are sent again from the
destination after days.

The text of the exception gets into the log, and into the destination. It has no message of SQLite, which may have
values in it; the request itself is beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from lambda_handlers.database.delivery import Delivery
from lambda_handlers.events import Context
from lambda_handlers.sql.own.queue_log import QueuedId

FIELD = "asynchronous"
OK = 200


class RequestFailed(Exception):
    """The request was not applied, or it is not known; its text is JSON: `code`, `applied`, `database`,
    `request_id`."""


class _Service(Protocol):
    def handle(self, event: object, context: Context | None, delivery: Delivery) -> dict[str, Any]: ...


def handle(service: _Service, event: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
    """Return the reply to a direct event. Raises RequestFailed for an error."""
    sent = {name: value for name, value in event.items() if name != FIELD}
    request_id = sent.get("request_id") or getattr(context, "aws_request_id", None)
    queued = QueuedId(request_id) if isinstance(request_id, str) else None
    reply = service.handle(sent, context, Delivery(queued=queued))
    if reply["statusCode"] == OK:
        return reply
    error = reply["body"]["error"]
    told = {"code": error["code"], "applied": error.get("applied")}
    told |= {"database": sent.get("database"), "request_id": request_id}
    raise RequestFailed(json.dumps({name: value for name, value in told.items() if isinstance(value, str)}))
