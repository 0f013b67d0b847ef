"""The bucket of bundles: Lambda reads the code from it, and CloudFormation the template. Private, encrypted, made by
the deployer and not by the stack (both must be in S3 before the stack can begin), and removed by `destroy`.

The key of a bundle or a template is its digest: an existing one need not be sent again.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambda_handlers.shared.endpoints import bucket_url, service_url
from sldb.aws.busy_buckets import retry_while_busy
from sldb.aws.endpoints import find_partition
from sldb.aws.errors import aws_errors
from sldb.deploy.bucket_content import BUNDLE_LAYOUT, find_foreign_key
from sldb.deploy.bucket_tags import owner_of, put_tags
from sldb.deploy.kept.version import template_key
from sldb.deploy.plan import BundleStep
from sldb.progress.protocol import SILENT, Progress
from sldb.stack.account import Account
from sldb.stack.ownership import TAG

if TYPE_CHECKING:
    from sldb.deploy.bundle.archive import Bundle
    from sldb.stack.bucket import Bucket


@dataclass(frozen=True, slots=True)
class BundleBucket:
    bucket: Bucket
    stack: str
    region: str

    @classmethod
    def of(cls, account: Account, stack: str) -> BundleBucket:
        return cls(account.bundle_bucket(stack), stack, account.region)

    @property
    def name(self) -> str:
        return self.bucket.name

    def foreign_content(self) -> str | None:
        """Return a foreign part of the bucket: a key, or the stack in its tag; None if all of it is ours."""
        owner = owner_of(self.bucket)
        if owner not in (None, self.stack):
            return f"the tag of the stack {owner}"
        return find_foreign_key(self.bucket, BUNDLE_LAYOUT)

    def step(self, bundle: Bundle | None, key: str) -> BundleStep:
        """Return the way of a bundle into the bucket; without one, of a kept bundle by its key."""
        exists = self.bucket.exists()
        if bundle is None:
            return BundleStep(self.name, key, 0, makes_bucket=False, uploads=False)
        uploads = not (exists and self.has(bundle.key))
        size_bytes, has_bytecode = bundle.unpacked_bytes, bundle.has_bytecode
        return BundleStep(self.name, bundle.key, size_bytes, not exists, uploads, has_bytecode)

    def has(self, key: str) -> bool:
        from botocore.exceptions import ClientError

        with aws_errors(f"look for {key} in {self.name}"):
            try:
                self.bucket.s3.head_object(Bucket=self.name, Key=key, **self._owner)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return True

    def create(self) -> None:
        s3 = self.bucket.s3
        with aws_errors(f"make the bucket {self.name}"):
            with suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # another deploy was faster
                retry_while_busy(lambda: s3.create_bucket(Bucket=self.name, **_location(self.region)))
            retry_while_busy(self._block_public_access)
            retry_while_busy(lambda: put_tags(self.bucket, {TAG: self.stack}))
            retry_while_busy(self._encrypt)

    def _block_public_access(self) -> None:
        self.bucket.s3.put_public_access_block(
            Bucket=self.name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
            **self._owner,
        )

    def _encrypt(self) -> None:
        self.bucket.s3.put_bucket_encryption(
            Bucket=self.name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            **self._owner,
        )

    def upload(self, key: str, body: bytes, progress: Progress = SILENT) -> None:
        progress.begin("uploading the bundle", bytes=len(body))
        with aws_errors(f"upload the bundle to {self.name}"):
            self.bucket.s3.put_object(
                Bucket=self.name,
                Key=key,
                Body=_Counted(body, progress),
                ContentType="application/zip",
                **self._owner,
            )

    def upload_template(self, text: str) -> str:
        """Make the bucket hold a template; return its key."""
        key = template_key(text)
        if not self.has(key):
            with aws_errors(f"upload the template to {self.name}"):
                self.bucket.s3.put_object(
                    Bucket=self.name, Key=key, Body=text.encode(), ContentType="text/yaml", **self._owner
                )
        return key

    def discard(self, template: str) -> None:
        """Delete a template, and the bucket if it is empty then: for a bucket made for a plan."""
        from botocore.exceptions import ClientError

        with aws_errors(f"delete the bucket {self.name} of the plan"):
            try:
                self.bucket.s3.delete_object(Bucket=self.name, Key=template_key(template), **self._owner)
                self.bucket.s3.delete_bucket(Bucket=self.name, **self._owner)
            except ClientError as error:  # another deployment uses it by now, or has deleted it
                if error.response["Error"]["Code"] not in ("BucketNotEmpty", "NoSuchBucket"):
                    raise

    @property
    def _owner(self) -> Any:
        return {"ExpectedBucketOwner": self.bucket.account_id}


def object_url(account: Account, bucket: str, key: str) -> str:
    """Return the address of an object for CloudFormation, by its own endpoint: AWS's reads from AWS's S3, whatever way
    this machine takes to that; another server of CloudFormation reads from the S3 beside it."""
    partition = find_partition(account.session._session, account.region)
    host = urlsplit(account.cloudformation.meta.endpoint_url).hostname or ""
    if host.endswith((f".{partition.suffix}", f".{partition.dual_stack_suffix}")):
        address = bucket_url(service_url("s3", account.region, partition), bucket, virtual_hosted=True)
    else:
        address = bucket_url(account.s3.meta.endpoint_url, bucket)
    return f"{address}/{key}"


class _Counted(io.BytesIO):
    """A body that reports its position. botocore reads it for a checksum first, and again for each try."""

    def __init__(self, body: bytes, progress: Progress) -> None:
        super().__init__(body)
        self._progress = progress
        self._reported = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        before, self._reported = self._reported, self.tell()
        self._progress.advance(bytes=self._reported - before)
        return data


def _location(region: str) -> Any:
    # us-east-1 is the one region that must not be named here.
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
