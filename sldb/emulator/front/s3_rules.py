"""Rules of S3 that moto lacks. Called under moto's lock, so that check and write are one.

* A presigned URL expires.
* CopyObject and CompleteMultipartUpload keep to If-None-Match and If-Match; DeleteObject knows If-Match: *.
"""

from __future__ import annotations

import calendar
import time
from typing import Any

from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.moto_app import Moto


def check(moto: Moto, call: Call) -> Call:
    if not call.action:
        raise NotEmulated(f"S3's {call.method} {call.path} with {sorted(call.query)}")
    _check_presigned(call)
    if call.action in ("CopyObject", "CompleteMultipartUpload"):
        _check_write(_current(moto, call), call)
    if call.action == "DeleteObject" and call.headers.get("if-match") == "*":
        if _current(moto, call) is None:
            raise _precondition_failed("If-Match")
        return call.with_environ(HTTP_IF_MATCH=None)
    return call


def _check_presigned(call: Call) -> None:
    if "X-Amz-Expires" in call.query:
        signed_at = calendar.timegm(time.strptime(call.query["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
        ends_at = signed_at + int(call.query["X-Amz-Expires"])
    elif "AWSAccessKeyId" in call.query:
        ends_at = int(call.query["Expires"])
    else:
        return
    if time.time() > ends_at:
        raise AwsError("AccessDenied", "Request has expired", 403)


def _check_write(current: Any, call: Call) -> None:
    if "if-none-match" in call.headers and current is not None:
        raise _precondition_failed("If-None-Match")
    wanted = call.headers.get("if-match")
    if wanted is None:
        return
    if current is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    if wanted.strip('"') != current.etag.strip('"'):
        raise _precondition_failed("If-Match")


def _current(moto: Moto, call: Call) -> Any:
    """Return the object under the call's key; None if there is none."""
    bucket, key = split_bucket_and_key(call.path)
    backend = moto.backend("s3", call.region)
    return backend.head_object(bucket, key) if bucket in backend.buckets else None


def _precondition_failed(condition: str) -> AwsError:
    return AwsError(
        "PreconditionFailed",
        f"At least one of the pre-conditions you specified did not hold ({condition})",
        412,
    )
