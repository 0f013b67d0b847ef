"""KMS: which key a call makes a service use, and whether its policy lets the caller.

S3, SQS and Secrets Manager use a key on behalf of their caller. The caller needs the right to it: by the key's policy
itself, or by the caller's own policies, if the key's policy leaves it to the account (a statement for its root). The
services send the conditions kms:ViaService and the encryption context. With a bucket key that is the ARN of the bucket
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html), of SQS the ARN of the queue. A sender to a
queue makes a data key and decrypts it, a receiver decrypts
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html). A message counts
as encrypted with the present key of its queue. Lambda reads an encrypted environment with a grant of its own, so the
role of a function needs no right for it. Used under moto's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.s3.exceptions import HeadOnDeleteMarker

from sldb.emulator.access.policy import Request
from sldb.emulator.access.resource_arns import arn_of
from sldb.emulator.access.secret_permissions import find
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import ACCOUNT, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto

# As the reference of S3 has them: what encrypts makes a data key, and joining parts decrypts them.
_USES = {
    "PutObject": ("GenerateDataKey",),
    "CopyObject": ("GenerateDataKey",),
    "CreateMultipartUpload": ("GenerateDataKey",),
    "UploadPart": ("GenerateDataKey", "Decrypt"),
    "UploadPartCopy": ("GenerateDataKey", "Decrypt"),
    "CompleteMultipartUpload": ("Decrypt",),
}
_OF_MESSAGES = {
    "SendMessage": ("GenerateDataKey", "Decrypt"),
    "SendMessageBatch": ("GenerateDataKey", "Decrypt"),
    "ReceiveMessage": ("Decrypt",),
}
_COPIES = ("CopyObject", "UploadPartCopy")


@dataclass(frozen=True, slots=True)
class KeyUse:
    key: Any  # moto's
    request: Request


def uses(moto: Moto, call: Call, key_of_queue: Callable[[str], str]) -> Iterator[KeyUse]:
    """Yield the uses of keys that a call brings about. Raises AwsError for a key that cannot be used."""
    if call.service == "sqs" and call.action in _OF_MESSAGES:
        yield from of_queue(moto, call.action, arn_of(call), key_of_queue)
    elif call.service == "s3":
        yield from _of_s3(moto, call)
    elif call.service == "secretsmanager" and call.action in ("GetSecretValue", "PutSecretValue", "UpdateSecret"):
        secret = find(moto, call)
        if secret is not None and str(secret.kms_key_id or "").startswith("arn:"):
            action = "Decrypt" if call.action == "GetSecretValue" else "GenerateDataKey"
            context = {"kms:encryptioncontext:secretarn": (secret.arn,)}
            yield _use(moto, call.service, call.region, secret.kms_key_id, action, context)


def of_queue(moto: Moto, action: str, queue_arn: str, key_of_queue: Callable[[str], str]) -> Iterator[KeyUse]:
    """Yield the uses of the key of a queue, by an action of SQS. `key_of_queue`: "" without a key."""
    if key_id := key_of_queue(queue_arn):
        region, context = queue_arn.split(":")[3], {"kms:encryptioncontext:aws:sqs:arn": (queue_arn,)}
        for each in _OF_MESSAGES.get(action, ()):
            yield _use(moto, "sqs", region, key_id, each, context)


def check_usable(key: Any) -> None:
    """Raise AwsError for a key that is disabled or about to be deleted."""
    if key.key_state == "Enabled":
        return
    code = "KMS.DisabledException" if key.key_state == "Disabled" else "KMS.KMSInvalidStateException"
    words = "is disabled" if key.key_state == "Disabled" else "is pending deletion"
    raise AwsError(code, f"{key.arn} {words}.")


def find_key(moto: Moto, region: str, key_id: str) -> Any:
    """Return a key by its ARN or id. Raises AwsError if there is none."""
    found = moto.backend("kms", region).keys.get(key_id.rpartition("/")[2])
    if found is None:
        raise AwsError("KMS.NotFoundException", f"Key '{key_id}' does not exist")
    return found


def service_may_use(key: Any, documents: list[Any], service: str, context: Mapping[str, tuple[str, ...]]) -> bool:
    """Return True if the policy of a key lets a service encrypt and decrypt, on its own behalf."""
    from sldb.emulator.access import policy

    wanted = (Request(f"kms:{action}", key.arn, context) for action in ("Encrypt", "Decrypt", "GenerateDataKey"))
    return all(policy.decide(documents, each, [service]) == "allow" for each in wanted)


def _of_s3(moto: Moto, call: Call) -> Iterator[KeyUse]:
    bucket_name, key_name = split_bucket_and_key(call.path)
    backend = moto.backend("s3", call.region)
    bucket = backend.buckets.get(bucket_name)
    if bucket is None or not key_name:
        return
    if call.action in _USES:
        key_id, has_bucket_key = _of_new_object(bucket, call)
        for action in _USES[call.action] if key_id else ():
            yield _use(moto, call.service, call.region, key_id, action, _context(bucket_name, key_name, has_bucket_key))
    if call.action == "GetObject":
        yield from _of_stored(moto, call, bucket_name, key_name)
    if call.action in _COPIES:
        from urllib.parse import unquote

        source = unquote(call.headers["x-amz-copy-source"]).partition("?versionId=")[0]
        yield from _of_stored(moto, call, *split_bucket_and_key(source))


def _of_new_object(bucket: Any, call: Call) -> tuple[str, bool]:
    """Return the ARN of the key that a new object gets, "" for none, and whether it is the key of the bucket."""
    rule = (bucket.encryption or {}).get("Rule", {})
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    kind = call.headers.get("x-amz-server-side-encryption", default.get("SSEAlgorithm"))
    if kind != "aws:kms":
        return "", False
    given = call.headers.get("x-amz-server-side-encryption-aws-kms-key-id") or default.get("KMSMasterKeyID") or ""
    return given, str(rule.get("BucketKeyEnabled", "")).lower() == "true"


def _of_stored(moto: Moto, call: Call, bucket: str, key: str) -> Iterator[KeyUse]:
    try:
        found = moto.backend("s3", call.region).head_object(bucket, key, call.query.get("versionId"))
    except HeadOnDeleteMarker:
        return
    if found is not None and found.encryption == "aws:kms" and found.kms_key_id:
        has_bucket_key = str(found.bucket_key_enabled or "").lower() == "true"
        yield _use(moto, call.service, call.region, found.kms_key_id, "Decrypt", _context(bucket, key, has_bucket_key))


def _context(bucket: str, key: str, has_bucket_key: bool) -> dict[str, tuple[str, ...]]:
    arn = f"arn:aws:s3:::{bucket}" if has_bucket_key else f"arn:aws:s3:::{bucket}/{key}"
    return {"kms:encryptioncontext:aws:s3:arn": (arn,)}


def _use(
    moto: Moto, service: str, region: str, key_id: str, action: str, context: Mapping[str, tuple[str, ...]]
) -> KeyUse:
    key = find_key(moto, region, key_id)
    check_usable(key)
    via = {
        "kms:viaservice": (f"{service}.{region}.amazonaws.com",),
        "kms:calleraccount": (ACCOUNT,),
        "aws:securetransport": ("true",),
        "aws:requestedregion": (region,),
    }
    return KeyUse(key, Request(f"kms:{action}", key.arn, {**via, **context}))
