"""The meaning of S3's answers: status and code, for each kind of request, as an error of the object store.

Rules:

1. S3 makes a definite refusal (`Refused`) before it does anything: any 4xx but those of rule 2 and the transient ones,
   a redirect, 501. A 404 to a write is one only with the code NoSuchBucket: other 404s may come from anywhere.
2. 409 and 412 are about the condition of a request with a condition. Both may be about the caller's own object. For
   other requests they are transient failures.
3. An unsent request (no connection, no such host) is `Unavailable`, and has made nothing (`is_unmade`).
4. Any other failure is `Unavailable` too: the request may have been carried out.

A message has the status and S3's code, and no role, account, bucket or address; S3's own words go into `detail`, for
the log. `is_transient` decides on another try.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.store.protocol import AlreadyExists, NotFound, PreconditionFailed, Refused, StoreError, Unavailable

_TRANSIENT = frozenset(
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
# Definite refusals with an ambiguous status.
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
# Statuses below 500 that are ambiguous by themselves: they come from anywhere, concern a condition, or are transient.
_OPEN_STATUSES = frozenset({304, 404, 408, 409, 412, 416, 425, 429})
_WORDS = {
    "AccessDenied": "no permission",
    "AllAccessDisabled": "all access to the bucket is disabled",
    "AuthorizationHeaderMalformed": "the signature is not for this region",
    "EntityTooLarge": "the object is too large",
    "ExpiredToken": "the credentials have expired",
    "InvalidAccessKeyId": "there is no such access key",
    "InvalidBucketName": "the bucket's name is not valid",
    "InvalidToken": "the session token is not valid",
    "KeyTooLongError": "the key is too long",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region",
    "RequestTimeTooSkewed": "the clocks differ",
    "SignatureDoesNotMatch": "the secret key does not match",
    "SlowDown": "too many requests",
}
_RIGHTS = "check the rights on the bucket, its policy and its KMS key: sldb doctor"
_CREDENTIALS = "check the credentials in use, and AWS_SESSION_TOKEN beside them"
_BUCKET = "check the bucket, its name and its region: sldb doctor"
_HINTS = {
    "AuthorizationHeaderMalformed": _BUCKET,
    "EntityTooLarge": "do it in smaller pieces",
    "ExpiredToken": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidBucketName": _BUCKET,
    "InvalidToken": _CREDENTIALS,
    "KeyTooLongError": "give the store a shorter prefix",
    "NoSuchBucket": _BUCKET,
    "PermanentRedirect": _BUCKET,
    "RequestTimeTooSkewed": "set the clock of the machine that sends the request",
    "SignatureDoesNotMatch": _CREDENTIALS,
    "TemporaryRedirect": _BUCKET,
}


class RequestKind(Enum):
    """The kind of a request."""

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
    """A failed request; status 0: no answer, or an incomplete one."""

    status: int
    code: str = ""  # S3's
    reason: str = ""  # why there was no answer, in a few words that name no address
    detail: str = ""  # the full text, for the log
    was_sent: bool = True  # the request, or a part of it, may have arrived

    @property
    def hint(self) -> str:
        """The next step for the user; empty if only another try can help."""
        if not self.was_sent:
            return "check the network, the region, and AWS_ENDPOINT_URL"
        if not _is_definite(self):
            return ""
        if self.code.startswith("KMS"):
            return "check the KMS key of the bucket, and the rights on it"
        return _HINTS.get(self.code) or (_RIGHTS if self.status in (401, 403) else _BUCKET)

    def __str__(self) -> str:
        if not self.status:
            return self.reason or "no answer"
        from http import HTTPStatus  # errors are rare

        known = self.status in HTTPStatus.__members__.values()
        told = f"answered {self.status} {HTTPStatus(self.status).phrase if known else ''}".rstrip()
        words = f" ({_WORDS[self.code]})" if self.code in _WORDS else ""
        return f"{told}, {self.code}{words}" if self.code else told


def is_transient(failure: Failure) -> bool:
    """Return True if another try may help."""
    if _is_definite(failure):
        return False
    return failure.status in (0, 429) or failure.status >= 500 or failure.code in _TRANSIENT


def may_be_applied(failure: Failure) -> bool:
    """Return True if a write with this failure may have been carried out, or may yet be."""
    return failure.was_sent and not _is_definite(failure) and failure.status not in (409, 412, 429)


def unclear(failure: Failure) -> Failure:
    """Return the failure after an earlier try of the same write that may have been carried out: it is not definite."""
    if failure.was_sent and not _is_definite(failure):
        return failure
    return Failure(0, reason=f"{failure}, after a try without a clear answer", detail=failure.detail)


def to_store_error(kind: RequestKind, key: str, failure: Failure) -> StoreError:
    error = _error_of(kind, key, failure)
    error.status, error.detail = failure.status, failure.detail
    error.hint = failure.hint or error.hint
    error.is_unmade = not failure.was_sent
    return error


def _error_of(kind: RequestKind, key: str, failure: Failure) -> StoreError:
    status, text = failure.status, str(failure)
    if _is_definite(failure):
        return Refused(key, text)
    if status == 404 and kind in (RequestKind.READ, RequestKind.REPLACE):
        return NotFound(key)
    # 304 is what some stores say to a create that meets an object.
    if kind in (RequestKind.CREATE, RequestKind.COMPLETE) and status in (304, 409, 412):
        return AlreadyExists(key)
    if kind is RequestKind.REPLACE and status in (409, 412):
        return PreconditionFailed(key)
    return Unavailable(key, text)


def _is_definite(failure: Failure) -> bool:
    status = failure.status
    if status >= 300 and failure.code in _DEFINITE:
        return True
    is_refusal = 300 <= status < 500 and status not in _OPEN_STATUSES and failure.code not in _TRANSIENT
    return is_refusal or status == 501


def code_in(text: str) -> str:
    """Return S3's code in the body of an error."""
    match = re.search(r"<Code>([A-Za-z0-9.]{1,64})</Code>", text)
    return match[1] if match else ""
