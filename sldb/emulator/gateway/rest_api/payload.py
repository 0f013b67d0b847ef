"""Events of a REST API's proxy integration (format 1.0), and the replies of functions to them. Pure.

The fields are those of the developer guide, "Input format of a Lambda function for proxy integration"; an event of a
REST API has no `version`. Names of headers stay as the client sent them. `path` and the parameters are decoded; whether
AWS decodes `path` is not verified. A body is text: binary media types are not emulated.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.gateway.messages import Request, Response
from sldb.emulator.gateway.rest_api.failures import Failed
from sldb.emulator.gateway.rest_api.routes import Match

_ABSENT = (
    *("cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "principalOrgId", "accessKey"),
    *("cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "user"),
)
# Headers of a reply that reach the client under the prefix x-amzn-Remapped-, and those that do not reach it (developer
# guide, "Important notes"). Both lists are short of those for other integrations.
_REMAPPED = frozenset({"authorization", "content-length", "date", "server", "user-agent", "warn", "www-authenticate"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DROPPED = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via"})


@dataclass(frozen=True, slots=True)
class Routed:
    """A request with its method."""

    request: Request
    api_id: str
    stage: str
    deployment_id: str
    variables: Mapping[str, str]  # of the stage
    path: str  # below the stage
    match: Match
    identity: Mapping[str, str] = field(default_factory=dict)  # apiKey and apiKeyId, if a key was demanded


def event(routed: Routed) -> dict[str, Any]:
    request, match = routed.request, routed.match
    query, headers = parse_qsl(request.query, keep_blank_values=True), _received(request)
    return {
        "resource": match.resource["path"],
        "path": routed.path,
        "httpMethod": request.method,
        "headers": dict(headers),
        "multiValueHeaders": _lists(headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _lists(query) or None,
        "pathParameters": match.parameters or None,
        "stageVariables": dict(routed.variables) or None,
        "requestContext": _context(routed),
        "body": request.body.decode("utf-8", "replace") or None,
        "isBase64Encoded": False,
    }


def _received(request: Request) -> list[tuple[str, str]]:
    """Return the headers as the function gets them: with those of API Gateway."""
    added = (
        ("Host", request.domain_name),
        ("X-Forwarded-For", request.source_ip),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),  # a client of AWS has nothing else
    )
    names = {name.lower() for name, _ in added}
    return [*(pair for pair in request.headers if pair[0].lower() not in names), *added]


def _context(routed: Routed) -> dict[str, Any]:
    request, match = routed.request, routed.match
    identity = {**dict.fromkeys(_ABSENT), "sourceIp": request.source_ip, "userAgent": request.header("user-agent")}
    return {
        "resourceId": match.resource["id"],
        "resourcePath": match.resource["path"],
        "operationName": None,
        "httpMethod": request.method,
        "extendedRequestId": extended_id(request),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.received_at)),
        "path": routed.path if request.stage is not None else f"/{routed.stage}{routed.path}",
        "accountId": ACCOUNT,
        "protocol": request.protocol,
        "stage": routed.stage,
        "domainPrefix": request.domain_name.partition(".")[0],
        "requestTimeEpoch": int(request.received_at * 1000),
        "requestId": request.request_id,
        "identity": {**identity, **routed.identity},
        "domainName": request.domain_name,
        "deploymentId": routed.deployment_id,
        "apiId": routed.api_id,
    }


def extended_id(request: Request) -> str:
    """Return the id of the header x-amz-apigw-id."""
    return request.request_id.replace("-", "")[:15] + "="


def response(reply: Any) -> Response:
    """Return the response in a function's reply. Raises Failed for a malformed one: without a statusCode, or
    with a body other than text."""
    if not isinstance(reply, Mapping):
        raise Failed("_BAD_REPLY", "Malformed Lambda proxy response: no object")
    body, headers = reply.get("body"), _headers(reply)
    if body is not None and not isinstance(body, str):
        raise Failed("_BAD_REPLY", "Malformed Lambda proxy response: the body is no text")
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    # Without binary media types base64 reaches the client as it is.
    return Response(_status(reply.get("statusCode")), tuple(headers), (body or "").encode(errors="replace"))


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 100 <= value <= 599:
        raise Failed("_BAD_REPLY", f"Malformed Lambda proxy response: the statusCode is {value!r}")
    return value


def _headers(reply: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headers: of both members all, and a name with the same value once."""
    single, several = reply.get("headers") or {}, reply.get("multiValueHeaders") or {}
    if not isinstance(single, Mapping) or not isinstance(several, Mapping):
        raise Failed("_BAD_REPLY", "Malformed Lambda proxy response: the headers are no object")
    if not all(isinstance(values, list) for values in several.values()):
        raise Failed("_BAD_REPLY", "Malformed Lambda proxy response: the values of a header are no list")
    pairs = [_header(name, value) for name, values in several.items() for value in values]
    pairs += [header for name, value in single.items() if (header := _header(name, value)) not in pairs]
    return [
        (f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name, value)
        for name, value in pairs
        if name.lower() not in _DROPPED
    ]


def _header(name: str, value: Any) -> tuple[str, str]:
    """Return a header. Raises Failed for one that HTTP cannot send; which answer AWS gives there is not verified."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, (Mapping, list)) or not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
        raise Failed("_BAD_REPLY", "Malformed Lambda proxy response: a header that HTTP cannot send")
    return name, text


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
