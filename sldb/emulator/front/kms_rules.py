"""Rules of KMS, and of the services that use its keys, that moto lacks. Called under moto's lock.

* The ETag of an object that a key of KMS encrypts is no MD5 (API_Object in the reference of S3).
* CloudWatch Logs take a key only if its policy lets them use it for the log group.
* A function whose environment cannot be decrypted is not invoked. (Lambda asks when a container starts only.)
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace

from sldb.emulator.access.iam import document_of
from sldb.emulator.access.key_uses import check_usable, find_key, service_may_use
from sldb.emulator.access.resource_arns import json_of
from sldb.emulator.calls.actions import function_in, split_bucket_and_key
from sldb.emulator.calls.call import ACCOUNT, Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.function_config import FunctionName
from sldb.emulator.calls.moto_app import Moto

ACTIONS = frozenset(
    {
        *("CreateKey", "DescribeKey", "ListKeys", "GetKeyPolicy", "PutKeyPolicy", "EnableKey", "DisableKey"),
        *("ScheduleKeyDeletion", "CancelKeyDeletion", "TagResource", "UntagResource", "ListResourceTags"),
        *(
            "EnableKeyRotation",
            "DisableKeyRotation",
            "GetKeyRotationStatus",
            "UpdateKeyDescription",
            "CreateAlias",
            "ListAliases",
            "DeleteAlias",
        ),
    }
)
_MAKE_OBJECTS = ("PutObject", "CopyObject", "CompleteMultipartUpload")


def check(_moto: Moto, call: Call) -> Call:
    if call.action not in ACTIONS:
        raise NotEmulated(f"kms:{call.action}")
    fields = dict(json_of(call))
    if call.action == "CreateKey":  # moto has no default here
        fields.setdefault("KeyUsage", "ENCRYPT_DECRYPT")
    if str(fields.get("KeyId", "")).startswith("arn:"):  # moto takes ids for some actions
        fields["KeyId"] = fields["KeyId"].rpartition("/")[2]
    return replace(call, body=json.dumps(fields).encode())


def answer_log_group(moto: Moto, call: Call) -> Answer | None:
    """Check the key of a new log group; answer what moto does not know, else None."""
    fields = json_of(call)
    key_id, name = fields.get("kmsKeyId"), str(fields.get("logGroupName", ""))
    if key_id:
        _check_log_key(moto, call.region, str(key_id), name)
    if call.action not in ("AssociateKmsKey", "DisassociateKmsKey"):
        return None
    group = moto.backend("logs", call.region).groups.get(name)
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    group.kms_key_id = key_id
    return Answer(200, (("Content-Type", "application/x-amz-json-1.1"),), b"{}")


def complete(moto: Moto, call: Call, answer: Answer) -> Answer:
    """Give an object that a key of KMS encrypts an ETag that is no MD5."""
    if call.action not in _MAKE_OBJECTS or answer.status != 200:
        return answer
    made = moto.backend("s3", call.region).head_object(*split_bucket_and_key(call.path))
    if getattr(made, "encryption", None) != "aws:kms":
        return answer
    old = made.etag.strip('"')
    new = secrets.token_hex(16) + (old[32:] if "-" in old else "")
    made._etag = new
    headers = tuple((name, value.replace(old, new)) for name, value in answer.headers)
    return replace(answer, headers=headers, body=answer.body.replace(old.encode(), new.encode()))


def check_function(moto: Moto, call: Call) -> None:
    """Raise AwsError if the key of the environment of an invoked function cannot be used."""
    name = FunctionName.parse(function_in(call.path), call.region)
    function = moto.backend("lambda", call.region)._lambdas._functions.get(name.name, {}).get("latest")
    key_arn = getattr(function, "kms_key_arn", None)
    if not key_arn:
        return
    try:
        check_usable(find_key(moto, call.region, key_arn))
    except AwsError as error:
        kind = error.code.removeprefix("KMS.").removesuffix("Exception").removeprefix("KMS")
        words = "Lambda was unable to decrypt the environment variables"
        raise AwsError(f"KMS{kind}Exception", f"{words}: {error.message}", 502) from error


def _check_log_key(moto: Moto, region: str, key_id: str, group: str) -> None:
    refusal = AwsError(
        "InvalidParameterException",
        f"The specified KMS key does not exist or is not allowed to be used with Arn "
        f"'arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}'",
    )
    try:
        key = find_key(moto, region, key_id)
        check_usable(key)
    except AwsError as error:
        raise refusal from error
    context = {
        "kms:encryptioncontext:aws:logs:arn": (f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}",),
        "kms:calleraccount": (ACCOUNT,),
        "aws:securetransport": ("true",),
    }
    if not service_may_use(key, [document_of(key.policy)], f"logs.{region}.amazonaws.com", context):
        raise refusal
