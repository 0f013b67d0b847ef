"""All locks of a stack, to show them, or to take them away with their VPC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lambda_handlers.shared.holder import Holder, decode_group, group_filters, is_group_name
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, SecurityGroupTypeDef


def lock_groups(ec2: EC2Client, stack: str, vpc_id: str) -> list[Holder]:
    """Every security group that is a lock of this stack."""
    filters = as_filters(group_filters(stack, vpc_id))
    with aws_errors("look for locks"):
        pages = ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        groups = [group for page in pages for group in page["SecurityGroups"]]
    return holders_in(groups)


def as_filters(filters: Mapping[str, str]) -> list[FilterTypeDef]:
    """Return filters in the form that boto3 takes."""
    return [{"Name": name, "Values": [value]} for name, value in filters.items()]


def holders_in(groups: Iterable[SecurityGroupTypeDef]) -> list[Holder]:
    """Return the holders of the locks among groups as boto3 returns them."""
    return [
        decode_group(group["GroupId"], group["GroupName"], {tag["Key"]: tag["Value"] for tag in group.get("Tags", ())})
        for group in groups
        if is_group_name(group["GroupName"])
    ]


def free_all(ec2: EC2Client, stack: str, vpc_id: str) -> int:
    """Delete every lock of a stack that is going away: a VPC that holds groups cannot be deleted."""
    locks = lock_groups(ec2, stack, vpc_id)
    free(ec2, locks)
    return len(locks)


def free(ec2: EC2Client, locks: Iterable[Holder]) -> None:
    """Delete these very locks. Always safe: a writer whose lock is gone cannot commit over another."""
    from botocore.exceptions import ClientError

    with aws_errors("free the locks"):
        for lock in locks:
            try:
                ec2.delete_security_group(GroupId=lock.lock_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidGroup.NotFound":  # else its holder was faster
                    raise
