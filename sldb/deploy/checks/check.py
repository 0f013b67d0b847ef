"""One resource of a stack, looked for at its service, with the caller's own rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackResource

Problems: TypeAlias = Iterator[str]  # such as: the function test-db-function is gone

_MISSING_CODES = {  # of the services
    "ResourceNotFoundException",
    "NoSuchEntity",
    "InvalidVpcID.NotFound",
    "NoSuchBucketPolicy",
    "NoSuchBucket",
    "404",
    "NoSuchKey",
    "NotFoundException",  # of API Gateway, KMS and SNS
    "NotFound",  # of SNS, as its model names it
    "AWS.SimpleQueueService.NonExistentQueue",
    "ResourceNotFound",  # of CloudWatch
    *("FileSystemNotFound", "AccessPointNotFound", "MountTargetNotFound"),
    *("InvalidSubnetID.NotFound", "InvalidGroup.NotFound"),
}


@dataclass(frozen=True, slots=True)
class ResourceCheck:
    account: Account
    resource: StackResource
    parameters: Mapping[str, str]  # of the stack
    names: Mapping[str, str]  # the physical ids of the stack's resources by their logical ids

    @property
    def name(self) -> str:
        return self.resource.physical_id

    def describe(self, subject: str, call: Callable[[], Any]) -> Any:
        """Return the response; None if the resource does not exist. Raises SldbError for other errors."""
        from botocore.exceptions import ClientError

        with aws_errors(f"look for {subject}"):
            try:
                return call()
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING_CODES:
                    return None
                raise
