"""The tags of a stack's buckets outside the template: the owner of a bucket, its keys, and the user's tags on it.

Both buckets have the tag of their stack; the bucket of bundles of earlier versions has none, and is recognised by its
content alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sldb.aws.errors import aws_errors
from sldb.stack.ownership import TAG

if TYPE_CHECKING:
    from sldb.stack.bucket import Bucket

_KEY_TAG = "sldb:key-"  # and a number


def owner_of(bucket: Bucket) -> str | None:
    """Return the name of the stack in the bucket's tag; None if it has no such tag."""
    return _read(bucket).get(TAG)


def ownership_problem(owner: str | None) -> str:
    """Return the reason in words for a bucket that is another stack's, or no stack's."""
    return f"its tag {TAG} names the stack {owner}" if owner else f"it has no tag {TAG}"


def keys_of_objects(bucket: Bucket) -> tuple[str, ...]:
    """Return the keys of KMS that the objects of a bucket without a stack may be encrypted with, as it was left."""
    return tuple(value for name, value in sorted(_read(bucket).items()) if name.startswith(_KEY_TAG))


def keep_keys_of_objects(bucket: Bucket, keys: Collection[str]) -> None:
    """Let a bucket say with which keys of KMS its objects may be encrypted: no object tells without being asked."""
    before = _read(bucket)
    stale = [name for name in before if name.startswith(_KEY_TAG)]
    if keys or stale:
        update_tags(bucket, {f"{_KEY_TAG}{number}": key for number, key in enumerate(keys)}, stale)


def update_tags(bucket: Bucket, tags: Mapping[str, str], dropped: Iterable[str]) -> None:
    """Add tags to a bucket and remove others; all other tags stay."""
    before = _read(bucket)
    removed = set(dropped)
    wanted = {**{key: value for key, value in before.items() if key not in removed}, **tags}
    if wanted != before:
        with aws_errors(f"tag the bucket {bucket.name}"):
            put_tags(bucket, wanted)


def put_tags(bucket: Bucket, tags: Mapping[str, str]) -> None:
    """Replace all tags of a bucket. Raises ClientError."""
    tagging: Any = {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
    bucket.s3.put_bucket_tagging(Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id, Tagging=tagging)


def _read(bucket: Bucket) -> dict[str, str]:
    from botocore.exceptions import ClientError

    with aws_errors(f"read the tags of the bucket {bucket.name}, which name its owner"):
        try:
            found = bucket.s3.get_bucket_tagging(Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchTagSet":
                return {}
            raise
    return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}
