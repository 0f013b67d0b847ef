"""The content of a stack's buckets: their layouts, and deleting a bucket with its content.

A bucket is deleted with the objects of sldb in it, and only if there are no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sldb.aws.busy_buckets import retry_while_busy
from sldb.aws.errors import OperationFailed, aws_errors
from sldb.stack.names import DATABASES_PREFIX

if TYPE_CHECKING:
    from sldb.stack.bucket import Bucket

# Keys, and the prefixes in a listing with a delimiter. Keys that begin with _ are beside the databases.
DATA_LAYOUT = re.compile(rf"{DATABASES_PREFIX}(_.*|[a-z0-9][a-z0-9-]{{0,62}}/.*)?|doctor/.*", re.DOTALL)
BUNDLE_LAYOUT = re.compile(r"[0-9a-f]{64}\.(zip|template)|versions/([0-9]{8}\.json)?")


def find_foreign_key(bucket: Bucket, layout: re.Pattern[str]) -> str | None:
    """Return a key, or the beginning of keys, outside of the layout; None if there is none. Versions and delete markers
    count, too. Lists the two upper levels only."""
    with aws_errors(f"look for what else is in the bucket {bucket.name}"):
        for prefix in ("", DATABASES_PREFIX):
            for page in _version_pages(bucket, Prefix=prefix, Delimiter="/"):
                found: list[str] = [each["Prefix"] for each in page.get("CommonPrefixes", [])]
                found += [each["Key"] for each in _versions_in(page)]
                if foreign := [key for key in found if not layout.fullmatch(key)]:
                    return foreign[0]
    return None


def delete_bucket(bucket: Bucket, layout: re.Pattern[str]) -> int:
    """Delete all versions of the objects in the layout, and the bucket; return the number of deleted versions.

    Raises OperationFailed if there are other objects: they stay, and the bucket with them."""
    deleted, foreign = 0, set[str]()
    # If another destroy was faster, the bucket is gone, and there is nothing left to do.
    with aws_errors(f"empty and delete the bucket {bucket.name}"), suppress(bucket.s3.exceptions.NoSuchBucket):
        for page in _version_pages(bucket):
            versions = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in _versions_in(page)]
            own = [version for version in versions if layout.fullmatch(version["Key"])]
            foreign |= {version["Key"] for version in versions if version not in own}
            if own:
                _delete_versions(bucket, own)
                deleted += len(own)
        if foreign:
            raise not_deleted(bucket.name, min(foreign))
        retry_while_busy(lambda: bucket.s3.delete_bucket(Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id))
    return deleted


def not_deleted(bucket: str, foreign: str) -> OperationFailed:
    return OperationFailed(
        f"the bucket {bucket} is not deleted: it also holds objects that are not sldb's, such as {foreign}",
        "move those elsewhere, or delete them with other tools",
    )


def _version_pages(bucket: Bucket, **options: Any) -> Iterator[Any]:
    yield from bucket.s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id, **options
    )


def _versions_in(page: Any) -> list[Any]:
    return [*page.get("Versions", []), *page.get("DeleteMarkers", [])]


def _delete_versions(bucket: Bucket, versions: list[Any]) -> None:
    from botocore.exceptions import ClientError

    reply = bucket.s3.delete_objects(
        Bucket=bucket.name, Delete={"Objects": versions, "Quiet": True}, ExpectedBucketOwner=bucket.account_id
    )
    for error in reply.get("Errors", []):
        raise ClientError({"Error": {"Code": error["Code"], "Message": error["Message"]}}, "DeleteObjects")
