"""The bucket that gets S3's access logs of the data bucket: whether S3 can and may write them.

As https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html has it: a bucket of the same
region and account, with a policy for logging.s3.amazonaws.com, without object lock by default, and not encrypted with a
key of KMS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sldb.aws.errors import OperationFailed, aws_errors

if TYPE_CHECKING:
    from sldb.stack.account import Account

_SERVICE = "logging.s3.amazonaws.com"


def check_access_logs(account: Account, data_bucket: str, target: str, prefix: str) -> None:
    """Raise OperationFailed for a bucket that could not get the logs; SldbError if the caller may not look at it."""
    if target == data_bucket:
        raise _refused(f"the logs of {target} would be written to {target}, and logged again", "use another bucket")
    s3: Any = account.s3
    with aws_errors(f"look at the bucket {target}"):
        try:
            region = s3.get_bucket_location(Bucket=target)["LocationConstraint"] or "us-east-1"
        except s3.exceptions.NoSuchBucket:
            raise _refused(f"there is no bucket {target}", f"make it in {account.region}") from None
        encryption = _found(account, "get_bucket_encryption", target)
        policy = _found(account, "get_bucket_policy", target)
    if region != account.region:
        raise _refused(f"the bucket {target} is in {region}", f"use a bucket in {account.region}")
    rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    if any("kms" in each.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "") for each in rules):
        raise _refused(f"S3 writes no access logs to {target}, which a key of KMS encrypts", "use one with AES256")
    document = json.loads(policy["Policy"]) if policy else {"Statement": []}
    partition = account.caller.split(":")[1]
    if not may_log(document, data_bucket, target, prefix, partition):
        wanted = json.dumps(statement(data_bucket, account.id, target, prefix, partition), indent=2)
        raise _refused(f"S3 may not write logs to {target}", f"add to the statements of its policy: {wanted}")


def may_log(policy: Mapping[str, Any], data_bucket: str, target: str, prefix: str, partition: str = "aws") -> bool:
    """Return True if a statement lets the service write. Of its conditions only the source's ARN is compared."""
    return any(
        each["Effect"] == "Allow"
        and _SERVICE in _names(each.get("Principal"))
        and _covers(each.get("Action"), "s3:PutObject")
        and _covers(each.get("Resource"), f"{_arn(target, partition)}/{prefix}2026-01-01")
        and _is_from(each, _arn(data_bucket, partition))
        for each in _list(policy["Statement"])
    )


def statement(data_bucket: str, account_id: str, target: str, prefix: str, partition: str = "aws") -> dict[str, Any]:
    return {
        "Sid": "S3ServerAccessLogs",
        "Effect": "Allow",
        "Principal": {"Service": _SERVICE},
        "Action": "s3:PutObject",
        "Resource": f"{_arn(target, partition)}/{prefix}*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": _arn(data_bucket, partition)},
            "StringEquals": {"aws:SourceAccount": account_id},
        },
    }


def _found(account: Account, method: str, bucket: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return getattr(account.s3, method)(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in (
            "NoSuchBucketPolicy",
            "ServerSideEncryptionConfigurationNotFoundError",
        ):
            return {}
        raise


def _is_from(statement: Mapping[str, Any], source: str) -> bool:
    return all(
        any(fnmatchcase(source, pattern) for pattern in _list(patterns))
        for conditions in statement.get("Condition", {}).values()
        for key, patterns in conditions.items()
        if key.lower() == "aws:sourcearn"
    )


def _covers(patterns: Any, text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in _list(patterns))


def _names(principal: Any) -> list[Any]:
    return _list(principal.get("Service", [])) if isinstance(principal, dict) else []


def _arn(bucket: str, partition: str) -> str:
    return f"arn:{partition}:s3:::{bucket}"


def _refused(message: str, hint: str) -> OperationFailed:
    return OperationFailed(message, hint, applied="no")


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
