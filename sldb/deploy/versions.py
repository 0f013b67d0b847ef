"""Versions of the data bucket's objects: what is deleted or overwritten can be had back for some days.

The template sets that for the bucket that it makes. A bucket that an earlier stack left behind is not the template's to
change, and taking a property out of a template does not promise that versioning ends: both are done here, after the
stack. Versioning cannot be taken back, only suspended; what there is of versions goes by the lifecycle then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sldb.aws.busy_buckets import while_s3_is_busy
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RULE = "expire-deleted"  # as in the template


def keep(s3: S3Client, bucket: str, account: str, days: int) -> bool:
    """Keep versions for so many days; 0 keeps no more. Returns whether that changed anything."""
    with aws_errors(f"set for how long deleted objects are kept in {bucket}"):
        status = _status(s3, bucket, account)
        if not days and not status:
            return False
        rules = _rules(s3, bucket, account)
        is_ruled = any(_days_of(rule) == max(days, 1) for rule in rules)
        if not is_ruled:
            others = [rule for rule in rules if rule.get("ID") != RULE]
            while_s3_is_busy(
                lambda: s3.put_bucket_lifecycle_configuration(
                    Bucket=bucket,
                    LifecycleConfiguration={"Rules": [_rule(max(days, 1)), *others]},
                    ExpectedBucketOwner=account,
                )
            )
        wanted: Any = "Enabled" if days else "Suspended"
        if status != wanted:
            while_s3_is_busy(
                lambda: s3.put_bucket_versioning(
                    Bucket=bucket, VersioningConfiguration={"Status": wanted}, ExpectedBucketOwner=account
                )
            )
        return status != wanted or not is_ruled


def kept_days(s3: S3Client, bucket: str, account: str) -> int:
    """For how many days deleted objects can be had back, as the bucket is set; 0 where they cannot."""
    with aws_errors(f"see whether deleted objects are kept in {bucket}"):
        if _status(s3, bucket, account) != "Enabled":
            return 0
        return next((days for rule in _rules(s3, bucket, account) if (days := _days_of(rule))), 0)


def _status(s3: S3Client, bucket: str, account: str) -> str:
    """Empty where there never were versions."""
    return s3.get_bucket_versioning(Bucket=bucket, ExpectedBucketOwner=account).get("Status", "")


def _rules(s3: S3Client, bucket: str, account: str) -> list[Any]:
    from botocore.exceptions import ClientError

    try:
        return list(s3.get_bucket_lifecycle_configuration(Bucket=bucket, ExpectedBucketOwner=account)["Rules"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
            return []
        raise


def _days_of(rule: Any) -> int:
    """0 for another rule."""
    if rule.get("ID") != RULE or rule.get("Status") != "Enabled":
        return 0
    return int(rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 0))


def _rule(days: int) -> Any:
    return {
        "ID": RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
    }
