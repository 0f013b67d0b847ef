"""The parameters of a key of one's own and of access logs, from the options of `sldb deploy`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_handlers.wire import SldbError

NONE = "none"  # as the value of an option: removes it

# As in the template; a test compares them.
PROTECTION_DEFAULTS = {"KmsKey": "", "AccessLogBucket": "", "AccessLogPrefix": ""}
_KEY = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key/[A-Za-z0-9-]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MAX_PREFIX = 800  # characters: S3 adds the time and an id, and a key has 1,024 bytes


@dataclass(frozen=True, slots=True)
class ProtectionChoices:
    """The options on the command line; None leaves a parameter as it is."""

    kms_key: str | None = None  # the ARN of a key, or NONE
    access_logs: str | None = None  # BUCKET or BUCKET/PREFIX, or NONE

    def parameters(self) -> dict[str, str]:
        given = {}
        if self.kms_key is not None:
            given["KmsKey"] = "" if self.kms_key == NONE else self.kms_key
        if self.access_logs is not None:
            bucket, _, prefix = ("" if self.access_logs == NONE else self.access_logs).partition("/")
            given |= {"AccessLogBucket": bucket, "AccessLogPrefix": prefix}
        return given


def check_protection(values: Mapping[str, str]) -> None:
    """Raise `bad_request` for values that AWS would refuse."""
    key, bucket, prefix = (values[name] for name in PROTECTION_DEFAULTS)
    if key and not _KEY.fullmatch(key):
        want = f"the ARN of a key (not of an alias), such as arn:aws:kms:eu-central-1:123456789012:key/ID, or {NONE}"
        raise SldbError("bad_request", f"--kms-key: got {key!r}, want {want}")
    if bucket and not _BUCKET.fullmatch(bucket):
        raise SldbError("bad_request", f"--access-logs: got {bucket!r}, want BUCKET, BUCKET/PREFIX, or {NONE}")
    if len(prefix) > _MAX_PREFIX:
        raise SldbError("bad_request", f"--access-logs: a prefix of {len(prefix)} characters, at most {_MAX_PREFIX}")


def region_of_key(arn: str) -> str:
    return arn.split(":")[3]


def former_keys(previous: Mapping[str, str], key: str) -> str:
    """Return the keys that objects may be encrypted with besides the wanted one, with commas between them.

    An object keeps the key that it was written with: without the right to that, it could not be read any more.
    """
    return ",".join(each for each in all_keys(previous) if each != key)


def all_keys(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys that objects of a stack may be encrypted with, by its parameters."""
    known = [*parameters.get("FormerKmsKeys", "").split(","), parameters.get("KmsKey", "")]
    return tuple(dict.fromkeys(each for each in known if each))
