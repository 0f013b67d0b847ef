"""The events of a stack while CloudFormation works on it, and the reason of a failure among them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_CASCADE = re.compile(r"^Resource (creation|update|deletion) cancelled", re.IGNORECASE)
# A pattern in a reason → the advice. The first that matches counts.
_ADVICE = (
    (
        r"not authorized to perform:? (?P<action>[\w:]+)",
        "your AWS identity needs {action}; then deploy again",
    ),
    (
        r"(VpcLimitExceeded|maximum number of VPCs)",
        "delete an unused VPC, ask AWS for a higher quota, or deploy with --lock s3 or --lock none, which need no VPC",
    ),
    (
        r"OperationAborted|conflicting conditional operation",
        "S3 is still working on a bucket of that name, perhaps a deletion: deploy again in a few minutes",
    ),
    (
        r"already exists|AlreadyExists|ResourceConflict",
        "something of that name is there and is not part of this stack: choose another --stack or --function",
    ),
    (
        r"(runtime parameter|Runtime).*(no longer supported|not supported)",
        "choose a newer --runtime",
    ),
    (
        r"MemorySize|memory",
        "new AWS accounts have a lower limit: choose a smaller --memory, or ask AWS to raise it",
    ),
)


@dataclass(frozen=True, slots=True)
class StackEvent:
    id: str
    at: datetime
    logical_id: str
    type: str
    status: str  # such as CREATE_IN_PROGRESS
    reason: str = ""
    physical_id: str = ""

    @property
    def of_stack(self) -> bool:
        return self.type == "AWS::CloudFormation::Stack"

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")

    @property
    def done(self) -> bool:
        return self.status.endswith("_COMPLETE")

    @classmethod
    def decode(cls, event: Mapping[str, Any]) -> StackEvent:
        return cls(
            id=event["EventId"],
            at=event["Timestamp"],
            logical_id=event.get("LogicalResourceId", ""),
            type=event.get("ResourceType", ""),
            status=event.get("ResourceStatus", ""),
            reason=event.get("ResourceStatusReason", ""),
            physical_id=event.get("PhysicalResourceId", ""),
        )


def root_cause(events: Sequence[StackEvent]) -> StackEvent | None:
    """Return the first failure, not counting the consequences of another one. `events`: in order of time."""
    failures = [event for event in events if event.failed]
    causes = [event for event in failures if not _CASCADE.match(event.reason)]
    # A stack's own failure sums up those of its resources.
    return next(_resources_first(causes), None) or next(iter(failures), None)


def _resources_first(events: Iterable[StackEvent]) -> Iterator[StackEvent]:
    yield from sorted(events, key=lambda event: event.of_stack)


def advice(reason: str) -> str:
    """Return the advice about a failure, by its reason; empty if the reason is not known."""
    for pattern, text in _ADVICE:
        found = re.search(pattern, reason)
        if found:
            return text.format(**found.groupdict())
    return ""
