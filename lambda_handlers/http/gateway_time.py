"""The time that API Gateway gives a request: less than the function has, so that the client gets our answer, not a 504.

An HTTP API gives up 30 s after a request has arrived, a REST API after 29 s unless the account has more by quota
("Quotas for configuring and running an HTTP API", "… a REST API" in the API Gateway developer guide). So HTTP APIs are
known by their events, and REST APIs only if the stage is one of sldb's. Function URLs, whose events are like those of
HTTP APIs, give the function all of its time. Requests end two seconds before, as they do before the end of a function.

An event has the time of its arrival by API Gateway's clock. By the container's own, it may lie in the future, and then
counts from now on; one that lies so far back that API Gateway has given up already is no time that can be relied on:
either the clocks differ, or the answer goes nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lambda_handlers.events import Context
from lambda_handlers.http.claims import FRONT
from lambda_handlers.shared.dataclasses import dataclass

HTTP_API_SECONDS = 30.0
REST_API_SECONDS = 29.0
HINT = "make it do less: API Gateway waits for half a minute; a direct invocation may take longer"


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """Lambda's context, with the time that is left to both the function and API Gateway."""

    context: Context
    gives_up_at: float  # unix seconds
    now: Callable[[], float]

    @property
    def aws_request_id(self) -> str:
        return self.context.aws_request_id

    def get_remaining_time_in_millis(self) -> int:
        return max(0, min(self._gateway_ms(), self.context.get_remaining_time_in_millis()))

    @property
    def is_gateway_first(self) -> bool:
        """True if API Gateway gives up before the function's time is over."""
        return self._gateway_ms() < self.context.get_remaining_time_in_millis()

    def _gateway_ms(self) -> int:
        return int((self.gives_up_at - self.now()) * 1000)


def limited(event: Mapping[str, Any], context: Context, now: Callable[[], float]) -> Context | GatewayContext:
    """Return the context of an event, limited by the time of API Gateway if that is known."""
    seconds, arrived_ms = _limit(event)
    if seconds is None:
        return context
    started = now()
    waited = started - arrived_ms / 1000
    if not 0 <= waited < seconds:
        waited = 0.0
    return GatewayContext(context, started + seconds - waited, now)


def _limit(event: Mapping[str, Any]) -> tuple[float | None, float]:
    """Return how long API Gateway waits for the response (seconds), and when it received the request (unix
    milliseconds)."""
    request, variables = event.get("requestContext"), event.get("stageVariables")
    if not isinstance(request, Mapping) or ".lambda-url." in str(request.get("domainName", "")):
        return None, 0.0
    is_http_api = "rawPath" in event
    if not is_http_api and not (isinstance(variables, Mapping) and FRONT in variables):
        return None, 0.0
    arrived_ms = request.get("timeEpoch" if is_http_api else "requestTimeEpoch")
    if type(arrived_ms) is not int and type(arrived_ms) is not float:
        return None, 0.0
    return (HTTP_API_SECONDS if is_http_api else REST_API_SECONDS), arrived_ms
