"""What S3's answers mean, whoever asked: status and code, for each kind of request, as an error of the object store.

Rules:

1. A definite refusal (`Refused`) is one that S3 makes before it does anything: no right, no such bucket, a request that
   it never takes. A 404 to a write is one only where its code is NoSuchBucket: another may come from anywhere.
2. 409 and 412 are about a condition where the request had one. Both may be about the caller's own object. Elsewhere
   they are failures that pass.
3. Whatever else is no success is `Unavailable`: it may have been carried out.

A message has the status and S3's code, which name nobody's role, account, bucket or address; S3's own words go into
`detail`, for the log. Whether another try may help: `may_pass`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from lambda_handlers.object_store import (
    AlreadyExists,
    NotFound,
    PreconditionFailed,
    Refused,
    StoreError,
    Unavailable,
)

_PASSING = frozenset(
    {
        "BadDigest",  # damaged on the way
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "XAmzContentSHA256Mismatch",  # damaged on the way
    }
)
# Refusals with a status that others have too.
_DEFINITE = frozenset(
    {
        "AccessDenied",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "EntityTooLarge",
        "EntityTooSmall",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidRequest",
        "InvalidToken",
        "KeyTooLongError",
        "MethodNotAllowed",
        "MissingContentLength",
        "NoSuchBucket",
        "NotImplemented",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
_DEFINITE_STATUSES = frozenset({401, 403, 405, 407, 411, 413, 501})  # 407: the proxy did not let it through
_WORDS = {
    "AccessDenied": "no permission",
    "ExpiredToken": "the credentials have ended",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region",
    "RequestTimeTooSkewed": "the clocks differ",
    "SlowDown": "too many requests",
}


class Kind(Enum):
    """Of a request."""

    READ = auto()  # of an object, or of its size
    LIST = auto()
    CREATE = auto()
    REPLACE = auto()
    PUT = auto()
    DELETE = auto()
    COMPLETE = auto()  # of a multipart upload, with the condition of a create
    STEP = auto()  # of a multipart upload before that


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is no success; status 0: there was none, or half of one."""

    status: int
    code: str = ""  # S3's
    reason: str = ""  # why there was no answer, in a few words that name no address
    detail: str = ""  # all that was said, for the log

    def __str__(self) -> str:
        if not self.status:
            return self.reason or "no answer"
        from http import HTTPStatus  # errors are rare

        known = self.status in HTTPStatus.__members__.values()
        told = f"answered {self.status} {HTTPStatus(self.status).phrase if known else ''}".rstrip()
        words = f" ({_WORDS[self.code]})" if self.code in _WORDS else ""
        return f"{told}, {self.code}{words}" if self.code else told


def may_pass(failure: Failure) -> bool:
    """Whether another try may help."""
    if failure.code in _DEFINITE or failure.status in _DEFINITE_STATUSES:
        return False
    return failure.status in (0, 429) or failure.status >= 500 or failure.code in _PASSING


def may_be_applied(failure: Failure) -> bool:
    """Whether a write that was answered like this may have been carried out, or may yet be."""
    return not _is_definite(failure) and failure.status not in (409, 412, 429)


def doubted(failure: Failure) -> Failure:
    """The failure as it counts after a try of the same write that may have been carried out: no refusal is definite."""
    if not _is_definite(failure):
        return failure
    return Failure(0, reason=f"{failure}, after a try without a clear answer", detail=failure.detail)


def error_of(kind: Kind, key: str, failure: Failure) -> StoreError:
    error = _error_of(kind, key, failure)
    error.status, error.detail = failure.status, failure.detail
    return error


def _error_of(kind: Kind, key: str, failure: Failure) -> StoreError:
    status, text = failure.status, str(failure)
    if _is_definite(failure):
        return Refused(key, text)
    if status == 404 and kind in (Kind.READ, Kind.REPLACE):
        return NotFound(key)
    # 304 is what some stores say to a create that meets an object.
    if kind in (Kind.CREATE, Kind.COMPLETE) and status in (304, 409, 412):
        return AlreadyExists(key)
    if kind is Kind.REPLACE and status in (409, 412):
        return PreconditionFailed(key)
    return Unavailable(key, text)


def _is_definite(failure: Failure) -> bool:
    return failure.status >= 300 and (failure.status in _DEFINITE_STATUSES or failure.code in _DEFINITE)


def code_in(text: str) -> str:
    """S3's code, in the body of an error."""
    match = re.search(r"<Code>([A-Za-z0-9.]{1,64})</Code>", text)
    return match[1] if match else ""
