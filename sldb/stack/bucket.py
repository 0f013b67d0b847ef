"""A bucket of the user's own account: calls for a bucket of another account fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sldb.aws.errors import OperationFailed, aws_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Bucket:
    s3: S3Client
    name: str
    account_id: str  # 12 digits: the owner

    def exists(self) -> bool:
        """Return True if the bucket is there. Raises OperationFailed if another account has it, or the user may not see
        it."""
        from botocore.exceptions import ClientError

        with aws_errors(f"look for the bucket {self.name}"):
            try:
                self.s3.head_bucket(Bucket=self.name, ExpectedBucketOwner=self.account_id)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status == 404:
                    return False
                if status == 403:
                    raise OperationFailed(
                        f"the bucket {self.name} belongs to another account, or you may not see it",
                        "choose another --stack, or get s3:ListBucket on it",
                    ) from error
                raise
        return True
