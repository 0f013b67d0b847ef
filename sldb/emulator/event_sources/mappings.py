"""The event source mappings of functions, and their part of Lambda's API. Used under moto's lock.

Limits are those of the API reference of CreateEventSourceMapping and of the developer guide ("Using Lambda with Amazon
SQS"): a FIFO queue gives batches of at most 10 and has no batching window; more than 10 messages need a window of a
second at least; a queue's visibility timeout is not shorter than the function's.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sldb.emulator.calls import function_config
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.function_config import FunctionName
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.sqs.queue import Queue
from sldb.emulator.sqs.queues import Queues

PATH = "/2015-03-31/event-source-mappings"
MAX_FIFO_BATCH, MAX_BATCH, MAX_WINDOW_SECONDS = 10, 10_000, 300
_DEFAULT_CONCURRENCY = 5  # how many batches at a time a new mapping begins with
_ONE = re.compile(PATH + r"/([0-9a-f-]{36})")
_FIELDS = frozenset(
    {
        *("FunctionName", "EventSourceArn", "Enabled", "BatchSize", "MaximumBatchingWindowInSeconds"),
        *("FunctionResponseTypes", "ScalingConfig", "Tags"),
    }
)


@dataclass(frozen=True, slots=True)
class SourceMapping:
    uuid: str
    queue_arn: str
    function_arn: str
    is_enabled: bool = True
    batch_size: int = 10
    window_seconds: int = 0
    reports_failures: bool = False  # ReportBatchItemFailures: else a batch succeeds or fails as a whole
    max_concurrency: int | None = None
    changed_at: float = field(default_factory=time.time)

    @property
    def concurrency(self) -> int:
        return self.max_concurrency or _DEFAULT_CONCURRENCY

    def shown(self) -> dict[str, Any]:
        """Return the mapping as Lambda's answers have it."""
        state = "Enabled" if self.is_enabled else "Disabled"
        return {
            "UUID": self.uuid,
            "BatchSize": self.batch_size,
            "MaximumBatchingWindowInSeconds": self.window_seconds,
            "EventSourceArn": self.queue_arn,
            "FunctionArn": self.function_arn,
            "LastModified": self.changed_at,
            "State": state,
            "StateTransitionReason": "USER_INITIATED",
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if self.reports_failures else [],
            **({"ScalingConfig": {"MaximumConcurrency": self.max_concurrency}} if self.max_concurrency else {}),
        }


class EventSources:
    """The mappings of all regions."""

    def __init__(
        self,
        moto: Moto,
        queues: Queues,
        may_poll: Callable[[str, str], bool],
        saved: list[dict[str, Any]] | None = None,
        save: Callable[[list[dict[str, Any]]], None] = lambda _all: None,
    ) -> None:
        """`may_poll`: whether a role may receive and delete the messages of a queue, both by ARN."""
        self._moto = moto
        self._queues = queues
        self.may_poll = may_poll
        self._save = save
        self._mappings = {each["uuid"]: SourceMapping(**each) for each in saved or []}

    def all(self) -> list[SourceMapping]:
        return list(self._mappings.values())

    def answer(self, call: Call) -> Answer | None:
        """Return the answer to a call about mappings; None for another one. Raises AwsError."""
        if not call.path.startswith(PATH):
            return None
        found = _ONE.fullmatch(call.path.rstrip("/"))
        wanted = json.loads(call.body or b"{}")
        status, body = self._run(call, found[1] if found else "", wanted)
        return Answer(status, (("Content-Type", "application/json"),), json.dumps(body).encode())

    def _run(self, call: Call, name: str, wanted: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        match call.method, bool(name):
            case "POST", False:
                return 202, self._create(call.region, wanted)
            case "GET", False:
                return 200, {"EventSourceMappings": [each.shown() for each in self._listed(call)]}
            case "GET", True:
                return 200, self._find(name).shown()
            case "PUT", True:
                return 202, self._update(name, call.region, wanted)
            case "DELETE", True:
                found = self._find(name)
                del self._mappings[name]
                self._changed()
                return 202, {**found.shown(), "State": "Deleting"}
        raise NotEmulated(f"Lambda's {call.method} {call.path}")

    def _create(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        function, queue = self._function(wanted["FunctionName"], region), self._queue(wanted["EventSourceArn"])
        for each in self._mappings.values():
            if (each.queue_arn, each.function_arn) == (queue.arn, function.arn):
                raise AwsError(
                    "ResourceConflictException",
                    f'An event source mapping with SQS arn (" {queue.arn} ") and function (" {function.arn} ") '
                    f"already exists. Please update or delete the existing mapping with UUID {each.uuid}",
                    409,
                )
        mapping = self._with(SourceMapping(str(uuid.uuid4()), queue.arn, function.arn), wanted)
        self._check(mapping, queue)
        self._mappings[mapping.uuid] = mapping
        self._changed()
        return {**mapping.shown(), "State": "Creating"}

    def _update(self, name: str, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        mapping = self._with(self._find(name), wanted)
        if "FunctionName" in wanted:
            mapping = replace(mapping, function_arn=self._function(wanted["FunctionName"], region).arn)
        self._check(mapping, self._queue(mapping.queue_arn))
        self._mappings[name] = mapping
        self._changed()
        return {**mapping.shown(), "State": "Updating"}

    def _with(self, mapping: SourceMapping, wanted: Mapping[str, Any]) -> SourceMapping:
        for name in wanted:
            if name not in _FIELDS and wanted[name]:
                raise NotEmulated(f"{name} of an event source mapping")
        changes: dict[str, Any] = {"changed_at": time.time()}
        if "Enabled" in wanted:
            changes["is_enabled"] = bool(wanted["Enabled"])
        if "BatchSize" in wanted:
            changes["batch_size"] = int(wanted["BatchSize"])
        if "MaximumBatchingWindowInSeconds" in wanted:
            changes["window_seconds"] = int(wanted["MaximumBatchingWindowInSeconds"])
        if "FunctionResponseTypes" in wanted:
            changes["reports_failures"] = "ReportBatchItemFailures" in wanted["FunctionResponseTypes"]
        if "ScalingConfig" in wanted:
            changes["max_concurrency"] = wanted["ScalingConfig"].get("MaximumConcurrency")
        return replace(mapping, **changes)

    def _check(self, mapping: SourceMapping, queue: Queue) -> None:
        config = function_config.read(self._moto, FunctionName.parse(mapping.function_arn, ""))
        if queue.is_fifo and mapping.window_seconds:
            raise _invalid("Batching window is not supported for FIFO queues")
        if mapping.batch_size > 10 and not queue.is_fifo and mapping.window_seconds < 1:
            raise _invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )
        limit = MAX_FIFO_BATCH if queue.is_fifo else MAX_BATCH
        if not 1 <= mapping.batch_size <= limit:
            raise _invalid(f"Batch size must be between 1 and {limit}")
        if not 0 <= mapping.window_seconds <= MAX_WINDOW_SECONDS:
            raise _invalid(f"MaximumBatchingWindowInSeconds must be between 0 and {MAX_WINDOW_SECONDS}")
        if mapping.max_concurrency is not None and not 2 <= mapping.max_concurrency <= 1000:
            raise _invalid("MaximumConcurrency must be between 2 and 1000")
        if queue.number("VisibilityTimeout") < config.timeout_seconds:
            raise _invalid(
                f"Queue visibility timeout: {queue.attributes['VisibilityTimeout']} seconds is less than Function "
                f"timeout: {config.timeout_seconds} seconds"
            )
        if not self.may_poll(config.role_arn, queue.arn):
            raise _invalid("The provided execution role does not have permissions to call ReceiveMessage on SQS")

    def _listed(self, call: Call) -> list[SourceMapping]:
        function, queue = call.query.get("FunctionName"), call.query.get("EventSourceArn")
        arn = FunctionName.parse(function, call.region).arn if function else None
        return [
            each
            for each in self._mappings.values()
            if (arn is None or each.function_arn == arn) and (queue is None or each.queue_arn == queue)
        ]

    def _find(self, name: str) -> SourceMapping:
        if name not in self._mappings:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return self._mappings[name]

    def _function(self, name: str, region: str) -> FunctionName:
        function = FunctionName.parse(name, region)
        function_config.read(self._moto, function)
        return function

    def _queue(self, arn: str) -> Queue:
        found = self._queues.by_arn(arn)
        if found is None:
            raise _invalid(
                f"Error occurred while ReceiveMessage. SQS Error Code: "
                f"AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist: {arn}"
            )
        return found

    def _changed(self) -> None:
        self._save([asdict(each) for each in self._mappings.values()])
        self._queues.changed.notify_all()


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)
