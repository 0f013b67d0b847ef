"""AWS Signature Version 4, for calls without a client library in the bundle: EC2's, and S3's conditional multipart
uploads. Pure. Specification: "Signing AWS API requests" in the IAM user guide.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from urllib.parse import quote

from lambda_handlers.settings import Credentials


def canonical_query(parameters: Sequence[tuple[str, str]]) -> str:
    """Return the query string for the signature, which also serves for the request."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(parameters))


def sign(
    headers: dict[str, str],
    body: bytes,
    *,
    service: str,
    region: str,
    credentials: Credentials,
    now: float,
    method: str = "POST",
    path: str = "/",  # not quoted
    query: str = "",  # canonical
    digest: str | None = None,  # SHA-256 of a body that is not in memory, in hex
) -> None:
    """Add the signature to the headers of a request (lower-case names)."""
    headers["x-amz-date"] = timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    digest = digest or hashlib.sha256(body).hexdigest()
    if service == "s3":
        headers["x-amz-content-sha256"] = digest
    names = sorted(headers)
    # Runs of blanks in a value count as one.
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in names]
    request = [method, quote(path, safe="/~"), query, *lines, "", ";".join(names), digest]
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    request_digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
    key = b"AWS4" + credentials.secret_access_key.encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{request_digest}").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.new(key, message.encode(), hashlib.sha256).digest()
