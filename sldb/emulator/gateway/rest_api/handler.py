"""A request to a REST API, from its stage to its response.

In this order: the stage, the route, the API key, the usage plan's rate and quota, the stage's rate (developer guide,
"Throttle requests": a client's limits apply before those of a stage), the integration, the access log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.access_log import AccessLog, Entry
from sldb.emulator.gateway.invoking import InvocationFailed, Invoker, NotInvoked, Throttled, TimedOut, TooLarge
from sldb.emulator.gateway.messages import Request, Response, message
from sldb.emulator.gateway.rest_api import failures, mock, payload, routes, usage
from sldb.emulator.gateway.rest_api.documents import Document, Documents
from sldb.emulator.gateway.rest_api.failures import Failed
from sldb.emulator.gateway.rest_api.payload import Routed
from sldb.emulator.gateway.rest_api.usage import Permit, Usage
from sldb.emulator.gateway.throttling import Limit, Throttle

_ACCOUNT_LIMIT = Limit(10_000.0, 5_000)  # of each region, where a stage says nothing else


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts for handling a request."""

    invoker: Invoker
    throttle: Throttle
    usage: Usage
    log: AccessLog


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage at the arrival of a request."""

    region: str
    api_id: str
    name: str
    deployment_id: str
    variables: Mapping[str, str]
    settings: Mapping[str, Any]  # by resource and method
    log: Mapping[str, str]
    resources: Mapping[str, Document]  # of its deployment; nothing changes them
    responses: Mapping[str, Document]

    def arn(self, rest: str) -> str:
        return f"arn:aws:execute-api:{self.region}:{ACCOUNT}:{self.api_id}/{self.name}/{rest}"

    def limit(self, resource: str, method: str) -> Limit:
        """Return the throttling of a method: its own, or the one for all methods of the stage."""
        escaped = resource.replace("/", "~1")
        found = {**self.settings.get("*/*", {}), **self.settings.get(f"{escaped}/{method}", {})}
        rate = found.get("throttlingRateLimit", _ACCOUNT_LIMIT.rate)
        return Limit(float(rate), int(found.get("throttlingBurstLimit", _ACCOUNT_LIMIT.burst)))


class RestApis:
    """The kind of API."""

    def __init__(self, moto: Moto, documents: Documents, parts: Parts) -> None:
        self._moto = moto
        self._documents = documents
        self._parts = parts

    def region_of(self, api_id: str) -> str | None:
        with self._moto.lock:
            found = self._find(api_id)
            return None if found is None else found[0]

    def answer(self, api_id: str, request: Request) -> Response:
        first, _, rest = request.path[1:].partition("/")
        name, path = (first, f"/{rest}") if request.stage is None else (request.stage, request.path)
        stage = self._stage(api_id, name, by_domain=request.stage is not None)
        if stage is None:  # as users report it; there is no gateway response for it
            return _with_ids(request, message(403, "Forbidden", (("x-amzn-ErrorType", "ForbiddenException"),)))
        entry = Entry(api_id, stage.name, request)
        try:
            response = self._routed_answer(stage, path, request, entry)
        except Failed as failed:
            entry.more |= failures.error_variables(failed)
            entry.more["integrationErrorMessage"] = failed.reason if entry.integration_ms is not None else ""
            variables = {"requestId": request.request_id, "apiId": api_id, "stage": stage.name}
            response = failures.response(failed, stage.responses, variables)
        log = stage.log
        self._parts.log.write(stage.region, log.get("destinationArn", ""), log.get("format", ""), entry, response)
        return _with_ids(request, response)

    def _find(self, api_id: str) -> tuple[str, Document] | None:
        """Return the region of an API, and its documents."""
        return next(((name, region) for name, region in self._documents.all() if api_id in region["apis"]), None)

    def _stage(self, api_id: str, name: str, *, by_domain: bool) -> Stage | None:
        with self._moto.lock:
            found = self._find(api_id)
            if found is None:
                return None
            api = found[1]["apis"][api_id]
            stage = api["_stages"].get(name)
            if stage is None or (api["disableExecuteApiEndpoint"] and not by_domain):
                return None
            deployed = api["_deployments"][stage["deploymentId"]]["_copy"]
            return Stage(
                region=found[0],
                api_id=api_id,
                name=name,
                deployment_id=stage["deploymentId"],
                variables=dict(stage["variables"]),
                settings={of: dict(values) for of, values in stage["methodSettings"].items()},
                log=dict(stage.get("accessLogSettings") or {}),
                resources=deployed["resources"],
                responses=deployed["responses"],
            )

    def _routed_answer(self, stage: Stage, path: str, request: Request, entry: Entry) -> Response:
        match = routes.choose(stage.resources, request.method, path)
        if match is None:
            raise Failed("MISSING_AUTHENTICATION_TOKEN", "no such resource or method")
        resource, method = match.resource["path"], match.method["httpMethod"]
        entry.more |= {"resourcePath": resource, "resourceId": match.resource["id"]}
        entry.more["extendedRequestId"] = payload.extended_id(request)
        routed = Routed(request, stage.api_id, stage.name, stage.deployment_id, stage.variables, path, match)
        if match.method["apiKeyRequired"]:
            permit = self._permit(stage, request)
            entry.more |= {"identity.apiKeyId": permit.key_id}
            routed = replace(routed, identity={"apiKey": permit.value, "apiKeyId": permit.key_id})
            self._parts.usage.take(permit)
        limit = stage.limit(resource, method)
        if not self._parts.throttle.take((stage.api_id, stage.name, resource, method), limit):
            raise Failed("THROTTLED", "the rate of the stage")
        integration = match.method["methodIntegration"]
        if integration["type"] == "MOCK":
            return mock.answer(integration, request.header("content-type"))
        return self._integrate(stage, routed, integration, entry)

    def _permit(self, stage: Stage, request: Request) -> Permit:
        with self._moto.lock:
            region = self._documents.region(stage.region)
            return usage.permit(region, stage.api_id, stage.name, request.header("x-api-key"))

    def _integrate(self, stage: Stage, routed: Routed, integration: Mapping[str, Any], entry: Entry) -> Response:
        method = routed.match.method["httpMethod"]
        started_at = time.monotonic()
        try:
            reply = self._parts.invoker.invoke(
                integration["uri"],
                payload.event(routed),
                source_arn=stage.arn(f"{'*' if method == 'ANY' else method}{routed.match.resource['path']}"),
                region=stage.region,
                seconds=integration["timeoutInMillis"] / 1000,
                request_id=entry.start_integration(),
            )
            return payload.response(reply)
        except TooLarge as error:  # which answer AWS gives here is not verified
            raise Failed("REQUEST_TOO_LARGE", str(error)) from error
        except TimedOut as error:
            raise Failed("INTEGRATION_TIMEOUT", str(error)) from error
        except (NotInvoked, Throttled) as error:
            raise Failed("_NOT_INVOKED", str(error)) from error
        except InvocationFailed as error:
            raise Failed("_BAD_REPLY", str(error)) from error
        finally:
            entry.integration_ms = int((time.monotonic() - started_at) * 1000)


def _with_ids(request: Request, response: Response) -> Response:
    ids = (("x-amzn-RequestId", request.request_id), ("x-amz-apigw-id", payload.extended_id(request)))
    return replace(response, headers=(*response.headers, *ids))
