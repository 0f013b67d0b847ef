"""A change that CloudFormation will make to one resource of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATA_BUCKET = "DataBucket"  # logical id, in the template


LOCK_VPC = "LockVpc"  # likewise


_PERMISSION_TYPES = ("AWS::IAM::", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy")


@dataclass(frozen=True, slots=True)
class Change:
    action: str  # Add, Modify, Remove, Import or Dynamic
    logical_id: str
    type: str  # such as AWS::S3::Bucket
    replacement: str = ""  # True, False, Conditional; empty where nothing exists yet
    properties: tuple[str, ...] = ()  # that change
    is_gone: bool = False  # what the stack had of it: it is made anew

    @property
    def replaces(self) -> bool:
        """Whether the resource may go and another come in its place; a maybe counts as a yes. What is gone cannot."""
        return not self.is_gone and self.replacement in ("True", "Conditional")

    @property
    def removes(self) -> bool:
        return self.action == "Remove"

    @property
    def grants(self) -> bool:
        """Whether it changes who may do what."""
        return self.type.startswith(_PERMISSION_TYPES)

    @property
    def is_right(self) -> bool:
        """Whether it is nothing but a right of another resource."""
        return self.type == "AWS::Lambda::Permission"

    @classmethod
    def decode(cls, resource: Mapping[str, Any]) -> Change:
        """From a `ResourceChange` of DescribeChangeSet."""
        targets = [detail.get("Target", {}) for detail in resource.get("Details", ())]
        names = {target.get("Name") or target.get("Attribute") for target in targets}
        return cls(
            action=resource["Action"],
            logical_id=resource["LogicalResourceId"],
            type=resource["ResourceType"],
            replacement=resource.get("Replacement", ""),
            properties=tuple(sorted(name for name in names if name)),
            is_gone=resource.get("ResourceDriftStatus") == "DELETED",
        )
