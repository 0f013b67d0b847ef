"""KMS: which key a call makes a service use, and whether its policy lets the caller.

S3 and Secrets Manager use a key on behalf of their caller, who needs the right to it: by the key's policy itself, or by
the caller's own policies, if the key's policy leaves it to the account (a statement for its root). The conditions are
those that the services send: kms:ViaService, and the encryption context, which with a bucket key is the ARN of the
bucket (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html). Lambda reads an encrypted environment
with a grant that it has made for itself, so that a function's role needs no right for it. Used under moto's lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.s3.exceptions import HeadOnDeleteMarker

from sldb.emulator.access.policy import Request
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
_COPIES = ("CopyObject", "UploadPartCopy")


@dataclass(frozen=True, slots=True)
class KeyUse:
    key: Any  # moto's
    request: Request


def uses(moto: Moto, call: Call) -> Iterator[KeyUse]:
    """Yield the uses of keys that a call brings about. Raises AwsError for a key that cannot be used."""
    if call.service == "s3":
        yield from _of_s3(moto, call)
    elif call.service == "secretsmanager" and call.action in ("GetSecretValue", "PutSecretValue", "UpdateSecret"):
        secret = find(moto, call)
        if secret is not None and str(secret.kms_key_id or "").startswith("arn:"):
            action = "Decrypt" if call.action == "GetSecretValue" else "GenerateDataKey"
            context = {"kms:encryptioncontext:secretarn": (secret.arn,)}
            yield _use(moto, call, secret.kms_key_id, action, context)


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
            yield _use(moto, call, key_id, action, _context(bucket_name, key_name, has_bucket_key))
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
        yield _use(moto, call, found.kms_key_id, "Decrypt", _context(bucket, key, has_bucket_key))


def _context(bucket: str, key: str, has_bucket_key: bool) -> dict[str, tuple[str, ...]]:
    arn = f"arn:aws:s3:::{bucket}" if has_bucket_key else f"arn:aws:s3:::{bucket}/{key}"
    return {"kms:encryptioncontext:aws:s3:arn": (arn,)}


def _use(moto: Moto, call: Call, key_id: str, action: str, context: Mapping[str, tuple[str, ...]]) -> KeyUse:
    key = find_key(moto, call.region, key_id)
    check_usable(key)
    via = {
        "kms:viaservice": (f"{call.service}.{call.region}.amazonaws.com",),
        "kms:calleraccount": (ACCOUNT,),
        "aws:securetransport": ("true",),
        "aws:requestedregion": (call.region,),
    }
    return KeyUse(key, Request(f"kms:{action}", key.arn, {**via, **context}))
