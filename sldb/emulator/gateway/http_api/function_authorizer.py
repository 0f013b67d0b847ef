"""Lambda authorizers (REQUEST, payload format 2.0), with simple responses, and their cache.

"If you specify identity sources for an authorizer, … API Gateway returns a 401 Unauthorized response without calling
the Lambda function" when one is missing; the values of the sources are the key of the cache, which is kept for the
authorizer's TTL, denials included ("Control access to HTTP APIs with AWS Lambda authorizers"). A function that fails,
that has no permission for the API, or that replies with something else than `isAuthorized` makes a 500, which is not
kept. What a denial and a failure look like (403 Forbidden, 500 Internal Server Error) is what users see.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from sldb.emulator.gateway.http_api import identity_sources
from sldb.emulator.gateway.http_api.apis import Authorizer, HttpApi
from sldb.emulator.gateway.http_api.payload import Routed, authorizer_event
from sldb.emulator.gateway.invoking import InvocationFailed, Invoker, Throttled, TimedOut, TooLarge
from sldb.emulator.gateway.messages import new_request_id, refused

MAX_SECONDS = 10.0  # of an authorizer; the quota of HTTP APIs ("Authorizer timeout"), unverified
_MAX_CACHED = 10_000  # results, before those that are no longer valid are dropped


@dataclass(frozen=True, slots=True)
class _Verdict:
    is_authorized: bool
    context: Mapping[str, Any]


class FunctionAuthorizers:
    def __init__(self, invoker: Invoker, clock: Callable[[], float] = time.monotonic) -> None:
        self._invoker = invoker
        self._clock = clock
        self._lock = threading.Lock()
        self._cache: dict[Hashable, tuple[float, _Verdict]] = {}  # → until when, what

    def authorize(self, api: HttpApi, authorizer: Authorizer, routed: Routed, route_arn: str) -> dict[str, Any]:
        """Return the member of `requestContext.authorizer`. Raises Refused."""
        found = identity_sources.values(authorizer.identity_sources, routed)
        if found is None:
            raise refused(401, "Unauthorized", "an identity source is missing")
        key = (api.id, routed.stage, authorizer, found)
        verdict = self._cached(key) if found and authorizer.ttl_seconds else None
        if verdict is None:
            asked_at = self._clock()
            verdict = self._ask(api, authorizer, authorizer_event(routed, route_arn, found))
            if found and authorizer.ttl_seconds:
                self._keep(key, asked_at + authorizer.ttl_seconds, verdict)
        if not verdict.is_authorized:
            raise refused(403, "Forbidden", "the authorizer says no")
        return {"lambda": dict(verdict.context)}

    def _cached(self, key: Hashable) -> _Verdict | None:
        with self._lock:
            until, verdict = self._cache.get(key, (0.0, None))
        return verdict if verdict is not None and self._clock() < until else None

    def _keep(self, key: Hashable, until: float, verdict: _Verdict) -> None:
        with self._lock:
            if len(self._cache) >= _MAX_CACHED:
                now = self._clock()
                self._cache = {each: kept for each, kept in self._cache.items() if kept[0] > now}
            self._cache[key] = (until, verdict)

    def _ask(self, api: HttpApi, authorizer: Authorizer, event: Mapping[str, Any]) -> _Verdict:
        source_arn = api.arn(f"authorizers/{authorizer.id}")
        try:
            reply = self._invoker.invoke(
                authorizer.uri,
                event,
                source_arn=source_arn,
                region=api.region,
                seconds=MAX_SECONDS,
                request_id=new_request_id(),
            )
        except (InvocationFailed, TimedOut, Throttled, TooLarge) as error:
            raise refused(500, "Internal Server Error", f"the authorizer: {error}") from error
        if not isinstance(reply, dict) or not isinstance(reply.get("isAuthorized"), bool):
            raise refused(500, "Internal Server Error", "the authorizer replied without isAuthorized")
        context = reply.get("context") or {}
        if not isinstance(context, dict):
            raise refused(500, "Internal Server Error", "the authorizer's context is no object")
        return _Verdict(reply["isAuthorized"], context)
