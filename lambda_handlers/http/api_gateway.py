"""Events of API Gateway (payloads 1.0 and 2.0) and function URLs as HTTP requests, and responses as these take them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from lambda_handlers.caller import Caller
from lambda_handlers.http.messages import EXPOSED_HEADERS, JSON, HttpRequest, HttpResponse
from lambda_handlers.wire import SldbError, bad_request


def http_request(event: Mapping[str, Any], caller: Caller, front: str | None = None) -> HttpRequest:
    """Return the HTTP request in an event. Raises `bad_request` for one that API Gateway cannot have made."""
    context = event["requestContext"]
    context = context if isinstance(context, Mapping) else {}
    path, headers = _path(event, context), _headers(event)
    if path == "/":  # earlier versions, which had this route only, demanded no content type
        headers.setdefault("content-type", JSON)
    method = _object(context.get("http")).get("method") or event.get("httpMethod") or "POST"
    return HttpRequest(str(method).upper(), path, headers, _body(event), caller, front or "")


def _path(event: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """Return the path without the stage and the prefix of a custom domain: that of the route, with its parameters.

    A prefix taken for a part of the path could name a database. The `path` of payload 1.0 has it ("Create Lambda proxy
    integrations for HTTP APIs" in the API Gateway developer guide, on API mappings)."""
    route = event.get("resource") or str(event.get("routeKey") or "").partition(" ")[2]
    if isinstance(route, str) and route.startswith("/"):  # not $default
        parameters = _object(event.get("pathParameters"))
        return _PARAMETER.sub(lambda found: str(parameters.get(found[1], "")), route)
    path = event.get("rawPath") or event.get("path") or "/"
    stage = context.get("stage")
    if "rawPath" in event and isinstance(stage, str) and f"{path}/".startswith(f"/{stage}/"):
        path = path[len(stage) + 1 :] or "/"
    return str(path)


_PARAMETER = re.compile(r"\{([^{}+]+)\+?\}")  # {database}, {proxy+}


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in _object(event.get("headers")).items()}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not isinstance(body, str):
        bad_request("body", body, "text")
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise SldbError("bad_request", f"the HTTP body is not base64: {error}") from error


def http_response(response: HttpResponse) -> dict[str, Any]:
    """Return a response as API Gateway takes it."""
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }


def with_cors(reply: dict[str, Any], event: Mapping[str, Any], origins: tuple[str, ...]) -> dict[str, Any]:
    """Return a reply that web pages of these origins may read; `*`: of all.

    For REST APIs, which add no headers of their own. An HTTP API with CORS puts its own in the place of these."""
    if not origins:
        return reply
    origin = _headers(event).get("origin")
    headers = {**reply["headers"], "vary": "origin"}
    if "*" in origins or origin in origins:
        allowed = "*" if "*" in origins else origin
        headers.update({"access-control-allow-origin": allowed, "access-control-expose-headers": EXPOSED_HEADERS})
    return {**reply, "headers": headers}
