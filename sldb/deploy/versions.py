"""Versions of the data bucket's objects: deleted or overwritten objects can be recovered for some days.

The template sets them for its own bucket. It cannot change a bucket of an earlier stack, and removing a property from a
template does not promise that versioning ends: both are done here, after the stack. Versioning cannot be taken back,
only suspended; the lifecycle then removes the existing versions.

A bucket of an earlier stack also gets the rules here that remove old open transactions and marks that cancel requests
(`expire_temporary_objects`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sldb.aws.busy_buckets import retry_while_busy
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from sldb.stack.bucket import Bucket

RULE = "expire-deleted"  # as in the template
EXPIRY = {"expire-streams": ("databases/_streams/", 2), "expire-cancel-marks": ("databases/_cancel/", 1)}  # likewise


def keep_versions(bucket: Bucket, days: int) -> bool:
    """Keep versions for so many days; 0 keeps no more. Return True if that changed anything."""
    with aws_errors(f"set for how long deleted objects are kept in {bucket.name}"):
        status = _status(bucket)
        if not days and not status:
            return False
        rules = _rules(bucket)
        has_rule = any(_days_of(rule) == max(days, 1) for rule in rules)
        if not has_rule:
            others = [rule for rule in rules if rule.get("ID") != RULE]
            retry_while_busy(lambda: _put_rules(bucket, [_rule(max(days, 1)), *others]))
        wanted = "Enabled" if days else "Suspended"
        if status != wanted:
            retry_while_busy(lambda: _put_status(bucket, wanted))
        return status != wanted or not has_rule


def expire_temporary_objects(bucket: Bucket) -> None:
    """Add the rules that remove old open transactions and cancel marks, unless the bucket has rules of their names."""
    with aws_errors(f"set for how long temporary objects are kept in {bucket.name}"):
        rules = _rules(bucket)
        names = {rule.get("ID") for rule in rules}
        missing = [_expiry(name, *EXPIRY[name]) for name in EXPIRY if name not in names]
        if missing:
            retry_while_busy(lambda: _put_rules(bucket, [*rules, *missing]))


def _expiry(name: str, prefix: str, days: int) -> dict[str, Any]:
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": days}}


def kept_days(bucket: Bucket) -> int:
    """Return the number of days for which deleted objects can be recovered, by the settings of the bucket; 0 if they
    cannot."""
    with aws_errors(f"see whether deleted objects are kept in {bucket.name}"):
        if _status(bucket) != "Enabled":
            return 0
        return next((days for rule in _rules(bucket) if (days := _days_of(rule))), 0)


def _status(bucket: Bucket) -> str:
    """Return Enabled or Suspended; empty if there never were versions."""
    found = bucket.s3.get_bucket_versioning(Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id)
    return found.get("Status", "")


def _put_status(bucket: Bucket, status: Any) -> None:
    bucket.s3.put_bucket_versioning(
        Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id, VersioningConfiguration={"Status": status}
    )


def _rules(bucket: Bucket) -> list[Any]:
    from botocore.exceptions import ClientError

    try:
        found = bucket.s3.get_bucket_lifecycle_configuration(Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
            return []
        raise
    return list(found["Rules"])


def _put_rules(bucket: Bucket, rules: list[Any]) -> None:
    bucket.s3.put_bucket_lifecycle_configuration(
        Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id, LifecycleConfiguration={"Rules": rules}
    )


def _days_of(rule: Any) -> int:
    """Return the days of our rule; 0 for another rule."""
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
