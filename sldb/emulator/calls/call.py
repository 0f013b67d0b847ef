"""A call of an AWS API over HTTP, and its answer.

`decode` finds the service and action of a request, as AWS's own front ends do: the service from the credential
scope of the signature (in the header, or in the query of a presigned address), the action from the form, the
target header, or method and path. Unsigned requests have no access key, and count as S3.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from sldb.emulator.calls.actions import lambda_action, model_action, s3_action

ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
_WITHOUT_FORMS = ("s3", "lambda", "apigateway", "apigatewayv2", "execute-api", "elasticfilesystem")
_SCOPE = re.compile(r"Credential=([^/,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Call:
    service: str  # signing name, such as s3, ec2, lambda; apigatewayv2 for the second version of apigateway
    action: str  # such as PutObject; "" where the request is none that we know
    region: str
    access_key: str  # "" for an unsigned request
    method: str
    path: str  # decoded
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    form: dict[str, str]  # parameters of a query-protocol call (EC2, IAM, STS, CloudFormation)
    body: bytes
    environ: Mapping[str, Any]  # as WSGI gave it; its input is consumed

    def with_environ(self, **changes: str | None) -> Call:
        """Return the same call with WSGI variables set, or removed (None)."""
        environ = {**self.environ, **changes}
        return replace(self, environ={name: value for name, value in environ.items() if value is not None})

    def replayable_environ(self) -> dict[str, Any]:
        """Return a WSGI environment with an input that can be read again."""
        return {
            **{name: value for name, value in self.environ.items() if name != "HTTP_TRANSFER_ENCODING"},
            "wsgi.input": io.BytesIO(self.body),
            "CONTENT_LENGTH": str(len(self.body)),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def decode(environ: Mapping[str, Any]) -> Call:
    headers = _headers(environ)
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    body = _read_body(environ)
    # WSGI hands the path over as latin-1; on the wire it is UTF-8.
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    access_key, region, service = _scope(headers, query)
    if service == "apigateway" and path.startswith("/v2/"):
        service = "apigatewayv2"  # one signing name, two APIs
    form = _form(headers, body) if service not in _WITHOUT_FORMS else {}
    if not form and "Action" in query:
        form = query
    method = environ["REQUEST_METHOD"]
    if service == "s3":
        action = s3_action(method, path, query, headers)
    elif service == "lambda":
        action = lambda_action(method, path)
    elif service in ("apigateway", "apigatewayv2"):
        action = model_action(service, method, path)
    elif service == "elasticfilesystem":
        action = model_action("efs", method, path)
    else:
        action = headers.get("x-amz-target", "").rpartition(".")[2] or form.get("Action", "")
    return Call(service, action, region, access_key, method, path, query, headers, form, body, environ)


def _scope(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str, str]:
    if "AWSAccessKeyId" in query:  # a URL presigned with version 2, still boto3's default
        return query["AWSAccessKeyId"], DEFAULT_REGION, "s3"
    presigned = "Credential=" + query.get("X-Amz-Credential", "")
    found = _SCOPE.search(headers.get("authorization", "")) or _SCOPE.search(presigned)
    if found is None:
        return "", DEFAULT_REGION, "s3"
    access_key, region, service = found.groups()
    return access_key, region, service.lower()


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {
        name[5:].replace("_", "-").lower(): str(value) for name, value in environ.items() if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    if environ.get("CONTENT_LENGTH"):
        headers["content-length"] = environ["CONTENT_LENGTH"]
    return headers


def _read_body(environ: Mapping[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read())
    return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))


def _form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    if not headers["content-type"].startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True))
