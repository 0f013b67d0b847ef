"""The destinations of failed asynchronous invocations: SQS queues, OnFailure alone.

The record has the fields of the developer guide ("Capturing records of Lambda asynchronous invocations").
Lambda sends it with the role of the function, and refuses a destination without it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from sldb.emulator.calls import function_config
from sldb.emulator.calls.actions import function_in
from sldb.emulator.calls.call import Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.function_config import FunctionConfig, FunctionName
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.runtime.containers import Outcome
from sldb.emulator.sqs.message import Message
from sldb.emulator.sqs.queues import Queues

_logger = logging.getLogger(__name__)


class Destinations:
    def __init__(self, moto: Moto, queues: Queues, may_send: Callable[[str, str], bool]) -> None:
        """`may_send`: whether a role may send messages to a queue, both by ARN."""
        self._moto = moto
        self._queues = queues
        self._may_send = may_send

    def check(self, call: Call) -> None:
        """Raise AwsError if a call of PutFunctionEventInvokeConfig names an unusable destination."""
        wanted: Mapping[str, Any] = json.loads(call.body or b"{}").get("DestinationConfig") or {}
        if wanted.get("OnSuccess", {}).get("Destination"):
            raise NotEmulated("a destination OnSuccess")
        arn = wanted.get("OnFailure", {}).get("Destination")
        if not arn:
            return
        function = FunctionName.parse(function_in(call.path), call.region, call.query.get("Qualifier"))
        role = function_config.read(self._moto, function).role_arn
        if self._queues.by_arn(arn) is None or not self._may_send(role, arn):
            raise AwsError(
                "InvalidParameterValueException",
                f"The destination ARN {arn} is invalid, or the function's execution role does not have permissions to "
                "call SendMessage on it.",
            )

    def send_failure(self, config: FunctionConfig, request_id: str, event: bytes, outcome: Outcome, count: int) -> None:
        """Send the record of a failed invocation, after its last try, if the function has a destination for it."""
        if not config.on_failure:
            return
        with self._queues.changed:
            queue = self._queues.by_arn(config.on_failure)
            if queue is None or not self._may_send(config.role_arn, config.on_failure):
                _logger.warning("%s cannot send to its destination %s", config.name, config.on_failure)
                return
            record = _record(config, request_id, event, outcome, count)
            now = self._queues.clock.now()
            queue.send(Message(json.dumps(record), now), 0, now)
            self._queues.note_change()


def _record(config: FunctionConfig, request_id: str, event: bytes, outcome: Outcome, count: int) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{config.function_arn}:{config.version}",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": count,
        },
        "requestPayload": json.loads(event or b"{}"),
        "responseContext": {
            "statusCode": 200,
            "executedVersion": config.version,
            "functionError": "Unhandled",
        },
        "responsePayload": json.loads(outcome.body or b"null"),
    }
