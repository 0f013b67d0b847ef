"""A request to an HTTP API, from its stage to its response.

In this order: the stage, a preflight, the route, the stage's throttling, the authorizer, the integration, CORS, the
access log. Whether AWS throttles before or after it authorizes is not documented.
"""

from __future__ import annotations

import http
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.access_log import AccessLog, Entry
from sldb.emulator.gateway.http_api import apis, cors, payload, routes
from sldb.emulator.gateway.http_api.apis import DEFAULT_STAGE, HttpApi, Route, Stage
from sldb.emulator.gateway.http_api.function_authorizer import FunctionAuthorizers
from sldb.emulator.gateway.http_api.iam_authorizer import IamAuthorizer
from sldb.emulator.gateway.http_api.jwt_authorizer import JwtAuthorizers
from sldb.emulator.gateway.http_api.payload import BadReply, Routed
from sldb.emulator.gateway.invoking import InvocationFailed, Invoker, Throttled, TimedOut, TooLarge
from sldb.emulator.gateway.messages import Refused, Request, Response, message, refused
from sldb.emulator.gateway.throttling import Throttle

_logger = logging.getLogger(__name__)
# The names that REST APIs have for refusals; those of HTTP APIs are not documented.
_RESPONSE_TYPES = {
    401: "UNAUTHORIZED",
    403: "ACCESS_DENIED",
    404: "RESOURCE_NOT_FOUND",
    413: "REQUEST_TOO_LARGE",
    429: "THROTTLED",
    500: "INTEGRATION_FAILURE",
    503: "INTEGRATION_TIMEOUT",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that handle a request together."""

    invoker: Invoker
    functions: FunctionAuthorizers
    jwt: JwtAuthorizers
    iam: IamAuthorizer
    throttle: Throttle
    log: AccessLog


class HttpApis:
    """The kind of API."""

    def __init__(self, moto: Moto, parts: Parts) -> None:
        self._moto = moto
        self._parts = parts

    def region_of(self, api_id: str) -> str | None:
        found = apis.read(self._moto, api_id)
        return None if found is None else found.region

    def answer(self, api_id: str, request: Request) -> Response:
        api = apis.read(self._moto, api_id)
        return message(404, "Not Found") if api is None else answer(api, request, self._parts)


def answer(api: HttpApi, request: Request, parts: Parts) -> Response:
    found = _stage_of(api, request)
    if found is None:
        return message(404, "Not Found")
    stage, path = found
    preflight = cors.preflight(api.cors, request) if api.cors is not None else None
    response = preflight or _answer_in(api, stage, path, request, parts)
    return replace(response, headers=(*response.headers, ("apigw-requestid", request.request_id)))


def _answer_in(api: HttpApi, stage: Stage, path: str, request: Request, parts: Parts) -> Response:
    """Return the response of a stage, and write its line of the log."""
    entry = Entry(api.id, stage.name, request)
    try:
        response = _routed_answer(api, stage, path, request, parts, entry)
    except Refused as error:
        if error.response.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            # On AWS its owner has to look for it.
            _logger.warning("HTTP API %s, %s: %s", api.id, entry.route_key, error.reason)
        entry.error = error.reason
        entry.more["error.responseType"] = _RESPONSE_TYPES.get(error.response.status, "")
        response = error.response
    if api.cors is not None:
        response = cors.with_headers(api.cors, request, response)
    parts.log.write(api.region, stage.log_group_arn, stage.log_format, entry, response)
    return response


def _stage_of(api: HttpApi, request: Request) -> tuple[Stage, str] | None:
    """Return the stage of a request, and its path within that; None if there is no such stage."""
    if request.stage is not None:
        named = api.stages.get(request.stage)
        return None if named is None else (named, request.path)
    if not api.has_own_host:
        return None
    first, _, rest = request.path[1:].partition("/")
    if first in api.stages and first != DEFAULT_STAGE:
        return api.stages[first], "/" + rest
    default = api.stages.get(DEFAULT_STAGE)
    return None if default is None else (default, request.path)


def _routed_answer(api: HttpApi, stage: Stage, path: str, request: Request, parts: Parts, entry: Entry) -> Response:
    match = routes.choose((route.key for route in api.routes), request.method, path)
    if match is None:
        raise refused(404, "Not Found", "no route")
    route = next(each for each in api.routes if each.key == match.key)
    entry.route_key = route.key.text
    limit = stage.route_limits.get(route.key.text, stage.limit)
    if not parts.throttle.take((api.id, stage.name, route.key.text), limit):
        raise refused(429, "Too Many Requests", "the stage's rate")
    routed = Routed(request, api.id, stage.name, stage.variables, route.key.text, dict(match.parameters))
    authorizer = _authorize(api, route, routed, path, parts)
    entry.authorizer = authorizer or {}
    return _integrate(api, route, routed, authorizer, parts, entry)


def _authorize(api: HttpApi, route: Route, routed: Routed, path: str, parts: Parts) -> dict[str, Any] | None:
    resource = api.arn(f"{routed.stage}/{routed.request.method}{path}")
    if route.authorization == "NONE":
        return None
    if route.authorization == "AWS_IAM":
        return parts.iam.authorize(routed, api.region, resource)
    if route.authorizer is None:
        raise refused(500, "Internal Server Error", "the route's authorizer does not exist")
    if route.authorization == "JWT":
        return parts.jwt.authorize(route.authorizer, route, routed)
    return parts.functions.authorize(api, route.authorizer, routed, resource)


def _integrate(
    api: HttpApi,
    route: Route,
    routed: Routed,
    authorizer: Mapping[str, Any] | None,
    parts: Parts,
    entry: Entry,
) -> Response:
    if route.integration is None:
        raise refused(500, "Internal Server Error", "the route has no integration")
    source = route.key.text if route.key.is_default else f"{routed.request.method}{route.key.path}"
    event = payload.event(routed, authorizer)
    started_at = time.monotonic()
    try:
        reply = parts.invoker.invoke(
            route.integration.uri,
            event,
            source_arn=api.arn(f"{routed.stage}/{source}"),
            region=api.region,
            seconds=route.integration.seconds,
            request_id=entry.start_integration(),
        )
        return payload.response(reply)
    except TooLarge as error:
        raise refused(413, "Request Entity Too Large", str(error)) from error
    except (TimedOut, Throttled) as error:
        # Users report 503 for the time-out of an HTTP API (serverless/serverless#11222), where a REST API says 504.
        raise refused(503, "Service Unavailable", str(error)) from error
    except (InvocationFailed, BadReply) as error:
        raise refused(500, "Internal Server Error", str(error)) from error
    finally:
        entry.integration_ms = int((time.monotonic() - started_at) * 1000)
