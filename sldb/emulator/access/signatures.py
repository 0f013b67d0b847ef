"""Signature Version 4, checked: a function must sign its calls with the credentials of its container, a user with its
key.

The calls of the account's owner are not checked: tools on this machine use any key and secret. Of a presigned URL
the expiry alone is checked (s3_rules).
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from urllib.parse import parse_qsl, quote, unquote

from sldb.emulator.access.principals import Credentials
from sldb.emulator.calls.call import Call
from sldb.emulator.calls.errors import AwsError

MAX_SKEW_SECONDS = 15 * 60
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/(?P<scope>[^,]+),"
    r"\s*SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>\w+)"
)
_UNHASHED = ("UNSIGNED-PAYLOAD", "STREAMING-")


def check(call: Call, credentials: Credentials) -> None:
    """Raise AwsError if AWS would not accept the call as signed with these credentials."""
    found = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
    if found is None:
        if "authorization" in call.headers:
            raise _refused(call, "IncompleteSignature", "The Authorization header has not all parts of a signature")
        return  # presigned
    if call.headers.get("x-amz-security-token", "") != credentials.session_token:
        raise _refused(call, "InvalidToken", "The security token included in the request is invalid")
    _check_time(call)
    _check_payload(call)
    names = found["headers"].split(";")
    needed = {"host", "x-amz-date", *(["x-amz-security-token"] if credentials.session_token else [])}
    if not needed <= set(names):
        raise _refused(call, "SignatureDoesNotMatch", f"{', '.join(sorted(needed))} must be signed, not only {names}")
    expected = _signature(call, found["scope"], names, credentials.secret_access_key)
    if not hmac.compare_digest(expected, found["signature"]):
        raise _refused(
            call,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method.",
        )


def _check_time(call: Call) -> None:
    try:
        signed_at = calendar.timegm(time.strptime(call.headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _refused(call, "AccessDenied", "x-amz-date is missing, or is no time") from None
    if abs(time.time() - signed_at) > MAX_SKEW_SECONDS:
        raise _refused(
            call, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        )


def _check_payload(call: Call) -> None:
    stated = call.headers.get("x-amz-content-sha256")
    if stated is None or stated.startswith(_UNHASHED):
        return
    if stated != hashlib.sha256(call.body).hexdigest():
        raise _refused(
            call,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )


def _signature(call: Call, scope: str, names: list[str], secret: str) -> str:
    request_hash = hashlib.sha256(_canonical_request(call, names).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", call.headers["x-amz-date"], scope, request_hash])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _canonical_request(call: Call, names: list[str]) -> str:
    path, _, query = str(call.environ["REQUEST_URI"]).partition("?")
    # S3 signs the path once encoded, every other service the encoded path encoded again.
    path = quote(unquote(path) if call.service == "s3" else path, safe="/-_.~")
    pairs = sorted((_encode(name), _encode(value)) for name, value in parse_qsl(query, keep_blank_values=True))
    headers = [f"{name}:{' '.join(call.headers.get(name, '').split())}" for name in names]
    payload = call.headers.get("x-amz-content-sha256") or hashlib.sha256(call.body).hexdigest()
    canonical_query = "&".join(f"{name}={value}" for name, value in pairs)
    return "\n".join([call.method, path, canonical_query, *headers, "", ";".join(names), payload])


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def _refused(call: Call, code: str, message: str) -> AwsError:
    if call.service == "ec2":
        return AwsError("AuthFailure", f"AWS was not able to validate the provided access credentials ({message})", 401)
    return AwsError(code, message, 403)
