"""A stack as CloudFormation describes it: its state, resources, change sets and operations, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sldb.stack.names import authorizer_function
from sldb.stack.resource_change import Change

FILE_LOCKS = "file"  # a kind of lock, beside the values of LockKind


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
    def function(self) -> str:
        """The name of the query function."""
        return self.outputs.get("FunctionName") or self.parameters["FunctionName"]

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the query function, the scheduled function, the one that only reads and, with an API of kind
        token, the authorizer, as far as the stack has outputs."""
        outputs = ("FunctionName", "DeadlockFixFunctionName", "ReadFunctionName")
        authorizer = (authorizer_function(self.function),) if "TokenApiId" in self.outputs else ()
        return (*(self.outputs[key] for key in outputs if key in self.outputs), *authorizer)

    @property
    def adopted_bucket(self) -> str:
        """The data bucket of an earlier stack; empty if the stack made its own."""
        return self.parameters.get("ExistingBucket", "")

    @property
    def storage(self) -> str:
        """The kind of the databases' store: s3 or efs."""
        return self.parameters.get("Storage", "s3")

    @property
    def moving_to(self) -> str:
        """The kind of store that `sldb migrate-storage` has begun to move the databases to; empty if it has not."""
        if self.parameters.get("Migration", "none") == "none":
            return ""
        return "s3" if self.storage == "efs" else "efs"

    @property
    def refuses_writes(self) -> bool:
        """True in the last step of a move."""
        return self.parameters.get("Migration") == "final"

    @property
    def databases_place(self) -> str:
        """The place of the databases, for people."""
        if self.storage == "efs":
            return f"the file system {self.outputs.get('FileSystem', '')}"
        return f"s3://{self.outputs.get('DataBucket', '')}/databases"

    @property
    def has_data_bucket(self) -> bool:
        """False for an unfinished stack without outputs."""
        return "DataBucket" in self.outputs

    @property
    def lock_kind(self) -> str:
        """The kind of lock that is in use: over a file system its own locks, whatever kind is set."""
        return FILE_LOCKS if self.storage == "efs" else self.parameters.get("LockKind", "")

    @property
    def lock_vpc(self) -> str | None:
        """The id of the VPC of the locks."""
        return self.outputs.get("LockVpc")

    @property
    def lock_max_age_seconds(self) -> int:
        return int(self.parameters.get("LockMaxAgeSeconds") or 0)

    @property
    def is_at_rest(self) -> bool:
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
    creates: bool  # the stack was created for this change set, in REVIEW_IN_PROGRESS
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A running operation on a stack."""

    stack_id: str
    before: frozenset[str]  # ids of the events that belong to earlier operations
