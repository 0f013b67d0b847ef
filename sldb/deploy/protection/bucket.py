"""Encryption and access logs of a data bucket that an earlier stack left: the template cannot change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sldb.aws.busy_buckets import retry_while_busy
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from sldb.stack.bucket import Bucket


def protect_adopted(bucket: Bucket, parameters: Mapping[str, str]) -> None:
    """Encrypt new objects, and log accesses, as the parameters of the stack say."""
    with aws_errors(f"set encryption and access logs of {bucket.name}"):
        _encrypt(bucket, parameters.get("KmsKey", ""))
        _log(bucket, parameters.get("AccessLogBucket", ""), parameters.get("AccessLogPrefix", ""))


def key_of(bucket: Bucket) -> str:
    """Return the ARN of the key of KMS that encrypts new objects of a bucket, "" for none."""
    with aws_errors(f"see how {bucket.name} is encrypted"):
        return str(_rule(bucket).get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", ""))


def _encrypt(bucket: Bucket, key: str) -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
    wanted: Any = {"ApplyServerSideEncryptionByDefault": default, **({"BucketKeyEnabled": True} if key else {})}
    found = _rule(bucket)
    if found.get("ApplyServerSideEncryptionByDefault") == default and bool(found.get("BucketKeyEnabled")) == bool(key):
        return
    retry_while_busy(
        lambda: bucket.s3.put_bucket_encryption(
            Bucket=bucket.name,
            ExpectedBucketOwner=bucket.account_id,
            ServerSideEncryptionConfiguration={"Rules": [wanted]},
        )
    )


def _log(bucket: Bucket, target: str, prefix: str) -> None:
    wanted: Any = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix}} if target else {}
    found = bucket.s3.get_bucket_logging(Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id)
    if found.get("LoggingEnabled", {}) == wanted.get("LoggingEnabled", {}):
        return
    retry_while_busy(
        lambda: bucket.s3.put_bucket_logging(
            Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id, BucketLoggingStatus=wanted
        )
    )


def _rule(bucket: Bucket) -> Any:
    from botocore.exceptions import ClientError

    try:
        found = bucket.s3.get_bucket_encryption(Bucket=bucket.name, ExpectedBucketOwner=bucket.account_id)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ServerSideEncryptionConfigurationNotFoundError":
            return {}
        raise
    return found["ServerSideEncryptionConfiguration"]["Rules"][0]
