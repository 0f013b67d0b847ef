"""The part of a deployment about the key of KMS and access logs: checks before anything changes, and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sldb.aws.errors import OperationFailed
from sldb.deploy.protection.access_logs import check_access_logs
from sldb.deploy.protection.bucket import key_of
from sldb.deploy.protection.key import check_key
from sldb.deploy.protection.options import PROTECTION_DEFAULTS, former_keys

if TYPE_CHECKING:
    from sldb.stack.account import Account


def plan_protection(
    account: Account,
    chosen: Mapping[str, str],
    previous: Mapping[str, str],
    data_bucket: str,
    *,
    left_keys: tuple[str, ...] | None,
) -> str:
    """Return the keys that objects may be encrypted with besides the chosen one. Raises OperationFailed for a key or a
    bucket of logs that cannot be used, if it is a new choice. `left_keys`: a new stack takes an earlier one's
    bucket, which has these keys in its tags; None: it does not."""
    key, target, prefix = (chosen.get(name, "") for name in PROTECTION_DEFAULTS)
    mail = chosen.get("AlarmMail", "")
    if key and (key != previous.get("KmsKey") or (mail and not previous.get("AlarmMail"))):
        check_key(account, key, has_topic=bool(mail))
    if target and (target, prefix) != tuple(previous.get(name) for name in ("AccessLogBucket", "AccessLogPrefix")):
        check_access_logs(account, data_bucket, target, prefix)
    known = dict(previous)
    if left_keys is not None:
        known["KmsKey"] = key_of(account.bucket(data_bucket))  # an earlier stack encrypted its objects with it
        known["FormerKmsKeys"] = ",".join(left_keys)
    return former_keys(known, key)


def refuse_lost_keys(previous: Mapping[str, str], parameters: Mapping[str, str]) -> None:
    """Raise OperationFailed for an earlier template that knows no keys, if objects are encrypted with one."""
    if (previous.get("KmsKey") or previous.get("FormerKmsKeys")) and "FormerKmsKeys" not in parameters:
        raise OperationFailed(
            "refused: objects are encrypted with a key of KMS, and the functions of that version could not read them",
            "go back to a version that knows --kms-key",
            applied="no",
        )


def changes_protection(previous: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
    return any(previous.get(name, "") != parameters.get(name, "") for name in PROTECTION_DEFAULTS)


def protection_notes(previous: Mapping[str, str], parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield the notes about what changes."""
    key, former = parameters["KmsKey"], parameters.get("FormerKmsKeys", "")
    if not changes_protection(previous, parameters) and former == previous.get("FormerKmsKeys", ""):
        return
    if key:
        yield f"the data bucket, queues, logs and settings of the functions are encrypted with {key}"
    if key != previous.get("KmsKey", "") and previous:
        yield "existing objects keep the encryption that they have; new ones get the new one"
    if former:
        yield f"keys that existing objects still need: {former}"
    if target := parameters["AccessLogBucket"]:
        yield f"S3 logs accesses to the data bucket in s3://{target}/{parameters['AccessLogPrefix']}"
