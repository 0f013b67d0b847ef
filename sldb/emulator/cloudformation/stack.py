"""A stack: its state, its resources, its history. Changed by the engine and the API, under the lock of
`CloudFormation`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.cloudformation.change import Change
from sldb.emulator.cloudformation.target import Known, Target

STACK_TYPE = "AWS::CloudFormation::Stack"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as it was made."""

    logical_id: str
    type: str
    physical_id: str
    properties: Mapping[str, Any]  # resolved
    attributes: Mapping[str, str]  # of Fn::GetAtt
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"

    @property
    def known(self) -> Known:
        return Known(self.physical_id, self.attributes)


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    logical_id: str
    type: str
    physical_id: str
    status: str
    reason: str
    at: datetime


@dataclass(slots=True)
class ChangeSet:
    name: str
    id: str
    target: Target
    creates: bool
    changes: tuple[Change, ...]
    status: str  # CREATE_COMPLETE or FAILED
    status_reason: str
    execution_status: str  # AVAILABLE, UNAVAILABLE, EXECUTE_IN_PROGRESS, EXECUTE_COMPLETE, EXECUTE_FAILED, OBSOLETE
    description: str
    capabilities: list[str]
    created_at: datetime
    actual: Mapping[str, Any] | None = None  # of a drift-aware one: the properties as they are; None: gone


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an operation, to be undone in a roll-back."""

    logical_id: str
    before: Resource | None  # None: it was made
    after: Resource

    @property
    def replaced(self) -> bool:
        return self.before is not None and self.before.physical_id != self.after.physical_id


@dataclass(slots=True)
class Stack:
    name: str
    id: str
    region: str
    created_at: datetime
    status: str = "REVIEW_IN_PROGRESS"
    status_reason: str = ""
    target: Target | None = None  # of the newest operation
    resources: dict[str, Resource] = field(default_factory=dict)
    statuses: dict[str, ResourceStatus] = field(default_factory=dict)
    outputs: list[dict[str, str]] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)  # the oldest first
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)  # by id
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    stuck: list[Step] = field(default_factory=list)  # that a roll-back could not undo, in the order of the roll-back
    token: str = ""  # ClientRequestToken of the newest operation

    @classmethod
    def new(cls, name: str, region: str) -> Stack:
        return cls(name, f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/{uuid.uuid4()}", region, now())

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def become(self, status: str, reason: str = "") -> None:
        self.status, self.status_reason = status, reason
        self._record(self.name, STACK_TYPE, self.id, status, reason)

    def report(
        self, logical_id: str, resource_type: str, status: str, *, physical_id: str = "", reason: str = ""
    ) -> None:
        """Record an event of a resource."""
        at = self._record(logical_id, resource_type, physical_id, status, reason)
        now_there = self.resources.get(logical_id)
        if now_there is not None and status.startswith("DELETE") and now_there.physical_id != physical_id:
            return  # of the one that it has replaced
        self.statuses[logical_id] = ResourceStatus(logical_id, resource_type, physical_id, status, reason, at)

    def _record(self, logical_id: str, resource_type: str, physical_id: str, status: str, reason: str) -> datetime:
        # Two events never have the same time, so that their order is known.
        at = now()
        if self.events and at <= self.events[-1]["Timestamp"]:
            at = self.events[-1]["Timestamp"] + timedelta(microseconds=1)
        self.events.append(
            {
                "StackId": self.id,
                "StackName": self.name,
                "EventId": str(uuid.uuid4()),
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": physical_id,
                "ResourceType": resource_type,
                "Timestamp": at,
                "ResourceStatus": status,
                "ResourceStatusReason": reason or None,
                "ClientRequestToken": self.token or None,
            }
        )
        return at


def now() -> datetime:
    return datetime.now(timezone.utc)
