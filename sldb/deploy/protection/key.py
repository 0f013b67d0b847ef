"""The key of KMS that a stack is to use: whether it can be used, and by whom its policy must let it be used.

Two statements are needed. The account must be able to give rights to the key by policies of its roles (a statement for
its root, as in the policy proposed by AWS); CloudWatch Logs asks on its own behalf and must be named
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html). With a topic of alarms CloudWatch
must be named as well: it encrypts its messages ("Why didn't I receive an SNS notification for my CloudWatch alarm
trigger?", AWS knowledge center). Conditions of a statement are not evaluated, but for its log groups.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sldb.aws.errors import OperationFailed, aws_errors
from sldb.deploy.protection.options import region_of_key

if TYPE_CHECKING:
    from sldb.stack.account import Account

_OF_LOGS = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey")
_OF_ROLES = ("kms:Decrypt", "kms:GenerateDataKey")
_OF_ALARMS = ("kms:Decrypt", "kms:GenerateDataKey")
_ALARMS = "cloudwatch.amazonaws.com"
_LOG_CONTEXT = "kms:EncryptionContext:aws:logs:arn"
_NEXT = {
    "Disabled": "aws kms enable-key --key-id {arn}",
    "PendingDeletion": "aws kms cancel-key-deletion --key-id {arn}, then aws kms enable-key; or use another key",
}


def check_key(account: Account, arn: str, *, has_topic: bool = False) -> None:
    """Raise OperationFailed for a key that the stack could not use; SldbError if the caller may not look at it."""
    if region_of_key(arn) != account.region:
        raise _refused(f"the key {arn} is not in {account.region}", "use a key of the stack's region")
    keys: Any = account.keys
    with aws_errors("look at the key of KMS"):
        try:
            key = keys.describe_key(KeyId=arn)["KeyMetadata"]
        except keys.exceptions.NotFoundException:
            raise _refused(f"there is no key {arn}", "aws kms list-keys lists those of the region") from None
        policy = keys.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    if key["KeyState"] != "Enabled":
        next_step = _NEXT.get(key["KeyState"], "use another key").format(arn=arn)
        raise _refused(f"the key {arn} is {key['KeyState']}", next_step)
    if (key["KeySpec"], key["KeyUsage"]) != ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"):
        raise _refused(f"the key {arn} is {key['KeySpec']} for {key['KeyUsage']}", "use a symmetric key for encryption")
    missing = missing_statements(json.loads(policy), account.id, account.region, has_topic=has_topic)
    if missing:
        wanted = json.dumps(missing, indent=2)
        raise _refused(f"the policy of the key {arn} lacks what the stack needs", f"add to its statements: {wanted}")


def missing_statements(
    policy: Mapping[str, Any], account_id: str, region: str, *, has_topic: bool = False
) -> list[dict[str, Any]]:
    """Return the statements that the policy of a key must have for a stack, and has not. `has_topic`: of alarms."""
    statements = [each for each in _list(policy["Statement"]) if each["Effect"] == "Allow"]
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    root, logs = f"arn:{partition}:iam::{account_id}:root", f"logs.{region}.{suffix}"
    missing = []
    if not _allows(statements, "AWS", (root, account_id, "*"), _OF_ROLES):
        missing.append(_statement("ForThePoliciesOfTheAccount", {"AWS": root}, ["kms:*"]))
    groups = f"arn:{partition}:logs:{region}:{account_id}:log-group:*"
    if not _allows([each for each in statements if _covers_groups(each, groups)], "Service", (logs,), _OF_LOGS):
        actions = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        condition = {"ArnLike": {_LOG_CONTEXT: groups}}
        missing.append({**_statement("ForTheLogs", {"Service": logs}, actions), "Condition": condition})
    if has_topic and not _allows(statements, "Service", (_ALARMS,), _OF_ALARMS):
        condition = {"StringEquals": {"aws:SourceAccount": account_id}}
        actions = ["kms:Decrypt", "kms:GenerateDataKey*"]
        missing.append({**_statement("ForTheAlarms", {"Service": _ALARMS}, actions), "Condition": condition})
    return missing


def _allows(statements: Iterable[Any], kind: str, names: tuple[str, ...], actions: tuple[str, ...]) -> bool:
    allowed = [pattern for each in statements if _is_for(each, kind, names) for pattern in _list(each["Action"])]
    return all(any(fnmatchcase(action.lower(), pattern.lower()) for pattern in allowed) for action in actions)


def _is_for(statement: Mapping[str, Any], kind: str, names: tuple[str, ...]) -> bool:
    principal = statement.get("Principal", {})
    if principal == "*":
        return "*" in names
    return any(name in names for name in _list(principal.get(kind, [])))


def _covers_groups(statement: Mapping[str, Any], groups: str) -> bool:
    """Return True unless the statement is for log groups of which none can be of a stack."""
    wanted = [
        pattern
        for conditions in statement.get("Condition", {}).values()
        for key, patterns in conditions.items()
        if key.lower() == _LOG_CONTEXT.lower()
        for pattern in _list(patterns)
    ]
    return not wanted or any(pattern.startswith(groups.removesuffix("*")) or pattern == "*" for pattern in wanted)


def _statement(sid: str, principal: dict[str, str], actions: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}


def _refused(message: str, hint: str) -> OperationFailed:
    return OperationFailed(message, hint, applied="no")


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
