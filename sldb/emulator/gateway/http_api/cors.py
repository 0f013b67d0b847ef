"""CORS, answered by API Gateway where an API has a configuration for it. Pure.

"API Gateway automatically sends a response to preflight OPTIONS requests, even if there isn't an OPTIONS route", and
"ignores CORS headers returned from your backend integration" (developer guide, "Configure CORS for HTTP APIs"). A
preflight has the headers Origin and Access-Control-Request-Method. Its status, 204, that an origin that is not allowed
gets a response without CORS headers, and that the gateway's own refusals have them, are what users see; unverified.
"""

from __future__ import annotations

import fnmatch

from sldb.emulator.gateway.http_api.apis import Cors
from sldb.emulator.gateway.messages import Headers, Request, Response


def preflight(cors: Cors, request: Request) -> Response | None:
    """Return the response to a preflight; None if the request is none."""
    if request.method != "OPTIONS" or request.header("access-control-request-method") is None:
        return None
    origin = _allowed_origin(cors, request)
    if request.header("origin") is None:
        return None
    if origin is None:
        return Response(204)
    age = cors.max_age_seconds
    lists = {
        "access-control-allow-methods": cors.allow_methods,
        "access-control-allow-headers": cors.allow_headers,
        "access-control-max-age": () if age is None else (str(age),),
    }
    headers = tuple((name, ",".join(values)) for name, values in lists.items() if values)
    return Response(204, (*_of_origin(cors, origin), *headers))


def with_headers(cors: Cors, request: Request, response: Response) -> Response:
    """Return a response with the API's CORS headers in place of its own."""
    kept = tuple((name, value) for name, value in response.headers if not name.lower().startswith("access-control-"))
    origin = _allowed_origin(cors, request)
    if origin is None:
        return Response(response.status, kept, response.body)
    exposed = (("access-control-expose-headers", ",".join(cors.expose_headers)),) if cors.expose_headers else ()
    return Response(response.status, (*kept, *_of_origin(cors, origin), *exposed), response.body)


def _of_origin(cors: Cors, origin: str) -> Headers:
    headers = [("access-control-allow-origin", origin)]
    if origin != "*":
        headers.append(("vary", "origin"))
    if cors.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    return tuple(headers)


def _allowed_origin(cors: Cors, request: Request) -> str | None:
    """Return the value of access-control-allow-origin: the origin, or * where all are allowed; None if it is not."""
    origin = request.header("origin")
    if origin is None:
        return None
    if "*" in cors.allow_origins:
        return "*"
    # https://*.example.com is allowed, too (API reference, Cors).
    allowed = any(fnmatch.fnmatchcase(origin.lower(), each.lower()) for each in cors.allow_origins)
    return origin if allowed else None
