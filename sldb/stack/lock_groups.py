"""All locks of a stack, to show them, or to take them away with their VPC."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lambda_handlers.shared.held_lock import HeldLock, of_group
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def lock_groups(ec2: EC2Client, stack: str, vpc_id: str) -> list[HeldLock]:
    """Every security group that is a lock of this stack."""
    filters: Any = [{"Name": "tag:sldb:stack", "Values": [stack]}, {"Name": "vpc-id", "Values": [vpc_id]}]
    with aws_errors("look for locks"):
        pages = ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        groups = [group for page in pages for group in page["SecurityGroups"]]
    return [of_group(group) for group in groups if group["GroupName"].startswith("sldb-lock-")]


def free_all(ec2: EC2Client, stack: str, vpc_id: str) -> int:
    """Delete every lock of a stack that is going away: a VPC that holds groups cannot be deleted."""
    locks = lock_groups(ec2, stack, vpc_id)
    free(ec2, locks)
    return len(locks)


def free(ec2: EC2Client, locks: Iterable[HeldLock]) -> None:
    """Delete these very locks. Always safe: a writer whose lock is gone cannot commit over another."""
    from botocore.exceptions import ClientError

    with aws_errors("free the locks"):
        for lock in locks:
            try:
                ec2.delete_security_group(GroupId=lock.lock_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidGroup.NotFound":  # else its holder was faster
                    raise
