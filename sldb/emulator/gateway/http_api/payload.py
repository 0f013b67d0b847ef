"""Payload format 2.0: events for functions, and their replies as responses. Pure.

The fields are those of the developer guide, "Create AWS Lambda proxy integrations for HTTP APIs": header names in lower
case, repeated headers and query parameters with commas between the values, cookies in a field of their own. Of a
mapped custom domain, `rawPath` has not the key of the mapping. That `rawPath` is decoded, and that an absent body,
empty parameters and empty stage variables are left out, is what users see; unverified.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.gateway.messages import Request, Response, is_text, joined

TYPE_WITHOUT_ONE = "text/plain; charset=utf-8"  # as users see it; unverified


@dataclass(frozen=True, slots=True)
class Routed:
    """A request whose stage and route are known."""

    request: Request
    api_id: str
    stage: str
    stage_variables: Mapping[str, str]
    route_key: str
    parameters: Mapping[str, str]  # of the path


class BadReply(Exception):
    """A function's result that is no valid response."""


def event(routed: Routed, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the event of an integration. `authorizer`: the member of `requestContext`."""
    body = routed.request.body
    as_text = is_text(routed.request.headers) and _is_utf8(body)
    found = {"version": "2.0", **_common(routed, authorizer)}
    if body:
        found["body"] = body.decode() if as_text else base64.b64encode(body).decode()
    return {**found, "isBase64Encoded": bool(body) and not as_text}


def authorizer_event(routed: Routed, route_arn: str, identity: tuple[str, ...]) -> dict[str, Any]:
    """Return the event of a Lambda authorizer ("Control access to HTTP APIs with AWS Lambda authorizers")."""
    first = {"version": "2.0", "type": "REQUEST", "routeArn": route_arn, "identitySource": list(identity)}
    return {**first, **_common(routed, None)}


def _common(routed: Routed, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
    request = routed.request
    headers = _headers(request)
    cookies = headers.pop("cookie", "")
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    optional = {
        "cookies": [each.strip() for each in cookies.split(";")] if cookies else None,
        "queryStringParameters": query,
        "pathParameters": dict(routed.parameters),
        "stageVariables": dict(routed.stage_variables),
    }
    return {
        "routeKey": routed.route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": _context(routed, authorizer),
        **{name: value for name, value in optional.items() if value},
    }


def _headers(request: Request) -> dict[str, str]:
    """Return the headers of an event. API Gateway adds the client's address to those that proxies have noted."""
    given = joined(request.headers)
    noted = given.get("x-forwarded-for")
    trace = f"Root=1-{int(request.received_at):08x}-{request.request_id.replace('-', '')[:24]}"
    added = {
        "host": request.domain_name,
        "x-amzn-trace-id": given.get("x-amzn-trace-id", trace),
        "x-forwarded-for": f"{noted}, {request.source_ip}" if noted else request.source_ip,
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",  # a client of AWS has nothing else
        "content-length": str(len(request.body)),
    }
    return {**given, **added}


def _context(routed: Routed, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
    request = routed.request
    return {
        "accountId": ACCOUNT,
        "apiId": routed.api_id,
        **({"authorizer": dict(authorizer)} if authorizer is not None else {}),
        "domainName": request.domain_name,
        "domainPrefix": request.domain_name.partition(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request.request_id,
        "routeKey": routed.route_key,
        "stage": routed.stage,
        "time": clf_time(request.received_at),
        "timeEpoch": int(request.received_at * 1000),
    }


def clf_time(at: float) -> str:
    """Return a time as access logs have it, such as 12/Mar/2020:19:03:58 +0000."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))


def response(reply: Any) -> Response:
    """Return a function's result as a response. Raises BadReply.

    A result without `statusCode` is the body of a 200, as JSON; text stays as it is.
    """
    if not isinstance(reply, dict) or "statusCode" not in reply:
        body = reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
        return Response(200, (("content-type", "application/json"),), body.encode(errors="replace"))
    headers = _reply_headers(reply.get("headers"))
    cookies = reply.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(each, str) for each in cookies):
        raise BadReply("its cookies are no list of texts")
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("content-type", TYPE_WITHOUT_ONE))
    return Response(
        _status(reply["statusCode"]), (*headers, *(("set-cookie", each) for each in cookies)), _reply_body(reply)
    )


def _status(given: Any) -> int:
    text = str(given)
    if isinstance(given, bool) or not (text.isascii() and text.isdigit() and 100 <= int(text) <= 599):
        raise BadReply(f"its statusCode is {given!r}")
    return int(text)


def _reply_headers(given: Any) -> list[tuple[str, str]]:
    if given is None:
        return []
    if not isinstance(given, dict) or not all(isinstance(each, (str, int, float)) for each in given.values()):
        raise BadReply("its headers are no object of texts")
    found = [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in given.items()]
    if any(set(name + value) & {"\r", "\n", "\0"} or not name for name, value in found):
        raise BadReply("its headers have line breaks")
    return found


def _reply_body(reply: Mapping[str, Any]) -> bytes:
    body = reply.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadReply("its body is no text")
    if not reply.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadReply(f"its body is no base64: {error}") from error


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
