"""The bucket of bundles: where the code waits for Lambda. Private, encrypted, made by the deployer and not by the stack
(the code must be in S3 before the stack can begin), and removed by `destroy`.

A bundle's key is its digest, so that one that is there need not be sent again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sldb.aws.busy_buckets import while_s3_is_busy
from sldb.aws.errors import aws_errors
from sldb.deploy.buckets import BUNDLES, stack_of, stranger_in
from sldb.stack.account import Account, bucket_exists
from sldb.stack.ownership import TAG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class BundleBucket:
    s3: S3Client
    name: str
    stack: str
    account: str
    region: str

    @classmethod
    def of(cls, account: Account, stack: str) -> BundleBucket:
        return cls(account.s3, account.bundle_bucket(stack), stack, account.id, account.region)

    def exists(self) -> bool:
        return bucket_exists(self.s3, self.name, self.account)

    def stranger(self) -> str | None:
        """Return what in it is none of ours: a key, or the stack that its tag names; None where all of it is ours."""
        owner = stack_of(self.s3, self.name, self.account)
        if owner not in (None, self.stack):
            return f"the tag of the stack {owner}"
        return stranger_in(self.s3, self.name, self.account, BUNDLES)

    def has(self, key: str) -> bool:
        from botocore.exceptions import ClientError

        with aws_errors(f"look for the bundle in {self.name}"):
            try:
                self.s3.head_object(Bucket=self.name, Key=key, ExpectedBucketOwner=self.account)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return True

    def create(self) -> None:
        with aws_errors(f"make the bucket {self.name}"):
            with suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):  # another deploy was faster
                while_s3_is_busy(lambda: self.s3.create_bucket(Bucket=self.name, **_location(self.region)))
            while_s3_is_busy(self._close_to_the_public)
            while_s3_is_busy(self._tag)
            while_s3_is_busy(self._encrypt)

    def _close_to_the_public(self) -> None:
        self.s3.put_public_access_block(
            Bucket=self.name,
            ExpectedBucketOwner=self.account,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )

    def _tag(self) -> None:
        tags: Any = {"TagSet": [{"Key": TAG, "Value": self.stack}]}
        self.s3.put_bucket_tagging(Bucket=self.name, ExpectedBucketOwner=self.account, Tagging=tags)

    def _encrypt(self) -> None:
        self.s3.put_bucket_encryption(
            Bucket=self.name,
            ExpectedBucketOwner=self.account,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )

    def upload(self, key: str, body: bytes) -> None:
        with aws_errors(f"upload the bundle to {self.name}"):
            self.s3.put_object(
                Bucket=self.name, Key=key, Body=body, ContentType="application/zip", ExpectedBucketOwner=self.account
            )


def _location(region: str) -> Any:
    # us-east-1 is the one region that must not be named here.
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
