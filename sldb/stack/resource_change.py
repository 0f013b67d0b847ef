"""A planned change of CloudFormation to one resource of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATA_BUCKET, LOCK_VPC, FILE_SYSTEM = "DataBucket", "LockVpc", "FileSystem"  # logical ids, in the template
_PERMISSION_TYPES = ("AWS::IAM::", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy")


@dataclass(frozen=True, slots=True)
class Change:
    action: str  # Add, Modify, Remove, Import or Dynamic
    logical_id: str
    type: str  # such as AWS::S3::Bucket
    replacement: str = ""  # True, False, Conditional; empty where nothing exists yet
    properties: tuple[str, ...] = ()  # that change
    is_gone: bool = False  # the existing resource: it is created again

    @property
    def replaces(self) -> bool:
        """True if another resource may take the place of this one; a conditional replacement counts. A missing resource
        cannot be replaced."""
        return not self.is_gone and self.replacement in ("True", "Conditional")

    @property
    def removes(self) -> bool:
        return self.action == "Remove"

    @property
    def grants(self) -> bool:
        """True if it changes permissions."""
        return self.type.startswith(_PERMISSION_TYPES)

    @property
    def is_permission(self) -> bool:
        """True if the resource is nothing but a permission of another one."""
        return self.type == "AWS::Lambda::Permission"

    @classmethod
    def decode(cls, resource: Mapping[str, Any]) -> Change:
        """Return the change in a `ResourceChange` of DescribeChangeSet."""
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
