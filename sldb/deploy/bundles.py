"""The bucket of bundles: where the code waits for Lambda. Private, encrypted, made by the deployer and not by the stack
(the code must be in S3 before the stack can begin), and removed by `destroy`.

A bundle's key is its digest, so that one that is there need not be sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cloud import Cloud, bucket_exists
from .failures import aws_errors
from .patience import while_s3_is_busy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class BundleBucket:
    s3: S3Client
    name: str
    account: str
    region: str

    @classmethod
    def of(cls, cloud: Cloud, stack: str) -> BundleBucket:
        return cls(cloud.s3, cloud.bundle_bucket(stack), cloud.account, cloud.region)

    def exists(self) -> bool:
        return bucket_exists(self.s3, self.name, self.account)

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


def delete_bucket(s3: S3Client, bucket: str, account: str) -> int:
    """Empty a bucket, all versions of all objects, and delete it. Returns how many there were."""
    deleted = 0
    # Where another destroy was faster, there is no bucket any more, and nothing left to do.
    with aws_errors(f"empty and delete the bucket {bucket}"), suppress(s3.exceptions.NoSuchBucket):
        for batch in _versions(s3, bucket, account):
            reply = s3.delete_objects(
                Bucket=bucket, Delete={"Objects": batch, "Quiet": True}, ExpectedBucketOwner=account
            )
            _raise_first(reply.get("Errors", []))
            deleted += len(batch)
        while_s3_is_busy(lambda: s3.delete_bucket(Bucket=bucket, ExpectedBucketOwner=account))
    return deleted


def _versions(s3: S3Client, bucket: str, account: str) -> Iterator[list[Any]]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, ExpectedBucketOwner=account)
    for page in pages:
        listed: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if listed:
            yield [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in listed]


def _raise_first(errors: Any) -> None:
    from botocore.exceptions import ClientError

    for error in errors:
        raise ClientError({"Error": {"Code": error["Code"], "Message": error["Message"]}}, "DeleteObjects")


def _location(region: str) -> Any:
    # us-east-1 is the one region that must not be named here.
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
