"""Security groups as locks of a stack: listed and deleted from outside the function.

The server's side is `lambda_handlers.locks.security_group`. Deleting is always safe: a writer without its lock cannot
commit over another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambda_handlers.shared.lock_holder import Holder, decode_group, group_filters, is_group_name
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import SecurityGroupTypeDef


def list_lock_groups(ec2: EC2Client, stack: str, vpc_id: str | None, database: str | None = None) -> list[Holder]:
    """Return the holders of the locks of a stack, or of one of its databases. `vpc_id`: None: in any VPC."""
    doing = "look for locks" if database is None else f"look for the lock of {database}"
    return [
        decode_group(group["GroupId"], group["GroupName"], {tag["Key"]: tag["Value"] for tag in group.get("Tags", ())})
        for group in list_security_groups(ec2, group_filters(stack, vpc_id, database), doing)
        if is_group_name(group["GroupName"])
    ]


def list_security_groups(ec2: EC2Client, filters: Mapping[str, str], doing: str) -> list[SecurityGroupTypeDef]:
    """Return the groups that match the filters. `doing`: the purpose, for an error: "look for locks"."""
    with aws_errors(doing):
        pages = ec2.get_paginator("describe_security_groups").paginate(
            Filters=[{"Name": name, "Values": [value]} for name, value in filters.items()]
        )
        return [group for page in pages for group in page["SecurityGroups"]]


def delete_lock_group(ec2: EC2Client, lock: Holder) -> bool:
    """Delete this very lock; return False if it was gone already."""
    from botocore.exceptions import ClientError

    with aws_errors(f"free the lock of {lock.database}"):
        try:
            ec2.delete_security_group(GroupId=lock.lock_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidGroup.NotFound":
                return False
            raise
    return True
