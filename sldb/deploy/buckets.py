"""Buckets of a stack: whose they are, what belongs in them, and their end.

A bucket goes only with what is sldb's in it, and only if nothing else is. Both buckets are known by the tag of their
stack; the bucket of bundles of earlier versions has none, and is known by its content alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sldb.aws.busy_buckets import while_s3_is_busy
from sldb.aws.errors import OperationFailed, aws_errors
from sldb.stack.ownership import TAG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Keys, and the prefixes that a listing with a delimiter gives. What begins with _ lies beside the databases.
DATA = re.compile(r"databases/(_.*|[a-z0-9][a-z0-9-]{0,62}/.*)?|doctor/.*", re.DOTALL)
BUNDLES = re.compile(r"[0-9a-f]{64}\.zip")
_DATABASES = "databases/"


def stack_of(s3: S3Client, bucket: str, account: str) -> str | None:
    """Return the name of the stack that the bucket's tag gives; None where it has none."""
    return _tags(s3, bucket, account).get(TAG)


def _tags(s3: S3Client, bucket: str, account: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    with aws_errors(f"read the tags of the bucket {bucket}, which say whose it is"):
        try:
            tags = s3.get_bucket_tagging(Bucket=bucket, ExpectedBucketOwner=account)["TagSet"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchTagSet":
                return {}
            raise
    return {tag["Key"]: tag["Value"] for tag in tags}


def tag(s3: S3Client, bucket: str, account: str, tags: Mapping[str, str], dropped: Iterable[str]) -> None:
    """Put tags on a bucket and take others off; what else it has stays."""
    before = _tags(s3, bucket, account)
    gone = set(dropped)
    wanted = {**{key: value for key, value in before.items() if key not in gone}, **tags}
    if wanted == before:
        return
    tagging: Any = {"TagSet": [{"Key": key, "Value": value} for key, value in wanted.items()]}
    with aws_errors(f"tag the bucket {bucket}"):
        s3.put_bucket_tagging(Bucket=bucket, ExpectedBucketOwner=account, Tagging=tagging)


def stranger_in(s3: S3Client, bucket: str, account: str, layout: re.Pattern[str]) -> str | None:
    """Return a key, or the beginning of keys, that has no place in the layout; None if there is none. Versions and
    marks of deletion count, too. Asks for the two upper levels only."""
    with aws_errors(f"look for what else is in the bucket {bucket}"):
        for prefix in ("", _DATABASES):
            pages = s3.get_paginator("list_object_versions").paginate(
                Bucket=bucket, Prefix=prefix, Delimiter="/", ExpectedBucketOwner=account
            )
            for page in pages:
                found = [each["Prefix"] for each in page.get("CommonPrefixes", [])]
                found += [each["Key"] for each in _versions_in(page)]
                if strangers := [key for key in found if not layout.fullmatch(key)]:
                    return strangers[0]
    return None


def delete_bucket(s3: S3Client, bucket: str, account: str, layout: re.Pattern[str]) -> int:
    """Delete what has its place in the layout, in all versions, and the bucket; return how many objects there were.

    Raises OperationFailed where something else is in it, which stays, and the bucket with it."""
    deleted, strangers = 0, set[str]()
    # Where another destroy was faster, there is no bucket any more, and nothing left to do.
    with aws_errors(f"empty and delete the bucket {bucket}"), suppress(s3.exceptions.NoSuchBucket):
        for versions in _batches(s3, bucket, account):
            batch: list[Any] = [version for version in versions if layout.fullmatch(version["Key"])]
            strangers |= {version["Key"] for version in versions if version not in batch}
            if not batch:
                continue
            reply = s3.delete_objects(
                Bucket=bucket, Delete={"Objects": batch, "Quiet": True}, ExpectedBucketOwner=account
            )
            _raise_first(reply.get("Errors", []))
            deleted += len(batch)
        if strangers:
            raise left_alone(bucket, min(strangers))
        while_s3_is_busy(lambda: s3.delete_bucket(Bucket=bucket, ExpectedBucketOwner=account))
    return deleted


def left_alone(bucket: str, stranger: str) -> OperationFailed:
    return OperationFailed(
        f"the bucket {bucket} is not deleted: it also holds what is none of sldb's, such as {stranger}",
        "take that somewhere else, or delete of the bucket what you want to delete with other tools",
    )


def _batches(s3: S3Client, bucket: str, account: str) -> Iterator[list[Any]]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, ExpectedBucketOwner=account)
    for page in pages:
        if listed := _versions_in(page):
            yield [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in listed]


def _versions_in(page: Any) -> list[Any]:
    return [*page.get("Versions", []), *page.get("DeleteMarkers", [])]


def _raise_first(errors: Any) -> None:
    from botocore.exceptions import ClientError

    for error in errors:
        raise ClientError({"Error": {"Code": error["Code"], "Message": error["Message"]}}, "DeleteObjects")
