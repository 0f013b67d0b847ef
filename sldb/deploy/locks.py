"""Who holds the locks of a stack, seen from outside: the security groups in its VPC, or the lock objects in its bucket.

For showing only; `sldb unlock` asks the deadlock-fix function.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .failures import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True, slots=True)
class LockHolder:
    database: str
    owner: str
    created_at: float | None  # unix seconds, by the holder's clock; None: it does not say
    doing: str = ""

    def age_seconds(self, now: float) -> float | None:
        return None if self.created_at is None else max(0.0, now - self.created_at)


def lock_groups(ec2: EC2Client, stack: str, vpc_id: str) -> list[tuple[str, LockHolder]]:
    """(group id, holder) of every security group that is a lock of this stack."""
    filters: Any = [{"Name": "tag:sldb:stack", "Values": [stack]}, {"Name": "vpc-id", "Values": [vpc_id]}]
    with aws_errors("look for locks"):
        pages = ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        groups = [group for page in pages for group in page["SecurityGroups"]]
    return [(group["GroupId"], _of_group(group, stack)) for group in groups]


def free_all(ec2: EC2Client, stack: str, vpc_id: str) -> int:
    """Delete every lock of a stack that is going away: a VPC that holds groups cannot be deleted."""
    from botocore.exceptions import ClientError

    groups = lock_groups(ec2, stack, vpc_id)
    with aws_errors("free the locks"):
        for group_id, _ in groups:
            try:
                ec2.delete_security_group(GroupId=group_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidGroup.NotFound":  # else its holder was faster
                    raise
    return len(groups)


def of_lock_object(database: str, body: bytes) -> LockHolder | None:
    """The holder that `<database>/lock.json` names; None where the lock is free or the text says nothing."""
    try:
        fields = json.loads(body)
    except ValueError:
        return None
    if not isinstance(fields, dict) or not fields.get("owner"):
        return None
    return LockHolder(database, str(fields["owner"]), _number(fields.get("created_at")), str(fields.get("doing", "")))


def _of_group(group: Mapping[str, Any], stack: str) -> LockHolder:
    tags = _tags(group.get("Tags", ()))
    database = tags.get("sldb:database") or group["GroupName"].removeprefix(f"sldb-lock-{stack}-")
    return LockHolder(database, tags.get("Owner", ""), _number(tags.get("CreateTime")), tags.get("sldb:doing", ""))


def _tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None
