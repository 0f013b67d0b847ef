"""A stack as CloudFormation describes it: its state, resources, change sets and operations, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sldb.stack.changes import Change


@dataclass(frozen=True, slots=True)
class StackState:
    id: str
    status: str  # such as CREATE_COMPLETE
    reason: str = ""
    description: str = ""  # of the template
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    updated_at: float = 0.0  # unix seconds, of the last change

    @property
    def settled(self) -> bool:
        return not self.status.endswith("_IN_PROGRESS")

    @property
    def gone(self) -> bool:
        return self.status == "DELETE_COMPLETE"


@dataclass(frozen=True, slots=True)
class StackResource:
    logical_id: str  # in the template
    type: str  # such as AWS::Lambda::Function
    physical_id: str
    status: str  # such as UPDATE_FAILED


@dataclass(frozen=True, slots=True)
class ChangeSet:
    id: str
    stack_id: str
    creates: bool  # the stack came into being, in REVIEW_IN_PROGRESS, for this change set
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that the stack has begun to do."""

    stack_id: str
    before: frozenset[str]  # ids of the events that belong to earlier operations
