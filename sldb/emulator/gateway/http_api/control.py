"""The control plane of HTTP APIs: what AWS refuses and moto accepts, and the operations that moto lacks.

Called under moto's lock. What the data plane cannot do is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.apigatewayv2.exceptions import APIGatewayV2Error

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.http_api import identity_sources, routes, tags

_READS = frozenset(
    {
        *("GetApi", "GetApis", "GetRoute", "GetRoutes", "GetIntegration", "GetIntegrations", "GetAuthorizer"),
        *("GetStage", "GetStages", "GetDomainName", "GetDomainNames", "GetApiMapping", "GetApiMappings", "GetTags"),
    }
)
_WRITES = frozenset(
    {
        *("DeleteApi", "DeleteCorsConfiguration", "DeleteRoute", "DeleteStage", "DeleteApiMapping"),
        *("CreateDomainName", "TagResource", "UntagResource"),
    }
)
_OF_TAGS = ("GetTags", "TagResource", "UntagResource")
_MIN_MILLISECONDS, _MAX_MILLISECONDS = 50, 30_000
_MAX_TTL_SECONDS = 3600
_AUTHORIZED_BY = {"NONE": "", "AWS_IAM": "", "CUSTOM": "REQUEST", "JWT": "JWT"}  # → the type of authorizer


def check(moto: Moto, call: Call) -> Call:
    """Return the call for moto. Raises AwsError."""
    if call.action in _READS | _WRITES:
        return call
    rule = _CHECKS.get(call.action)
    if rule is None:
        raise NotEmulated(f"API Gateway's {call.action or f'{call.method} {call.path}'}")
    rule(moto.backend("apigatewayv2", call.region), _parts(call), _body(call))
    return call


def answer(moto: Moto, call: Call) -> Answer | None:
    """Return the answer of an operation that moto lacks; None for the others. Raises AwsError."""
    own = _OWN.get(call.action)
    backend = moto.backend("apigatewayv2", call.region)
    try:
        if own is None:
            found = tags.answer(backend, call) if call.action in _OF_TAGS else None
        else:
            found = own(backend, _parts(call), _body(call))
    except APIGatewayV2Error as error:  # moto's: of a stage, route, domain or mapping that does not exist
        raise AwsError(error.error_type, error.message, error.code) from error
    return None if found is None else Answer(200, (("Content-Type", "application/json"),), json.dumps(found).encode())


def _parts(call: Call) -> list[str]:
    """Return the path below /v2/apis or /v2/domainnames: ids, and the names of collections between them."""
    return call.path.strip("/").split("/")[2:]


def _body(call: Call) -> Mapping[str, Any]:
    found = json.loads(call.body) if call.body else {}
    return found if isinstance(found, dict) else {}


def _check_api(_backend: Any, _parts: list[str], given: Mapping[str, Any]) -> None:
    if given.get("protocolType", "HTTP") != "HTTP":
        raise NotEmulated("WebSocket APIs")
    for name in ("target", "routeKey", "credentialsArn"):
        if given.get(name):
            raise NotEmulated(f"{name} of an API")


def _check_route(backend: Any, parts: list[str], given: Mapping[str, Any]) -> None:
    api = _api(backend, parts)
    old = api.routes.get(parts[2]) if len(parts) > 2 else None
    key = given.get("routeKey", old.route_key if old else "")
    try:
        routes.parse(key)
    except ValueError as error:
        raise _bad(str(error)) from error
    if any(each.route_key == key for each in api.routes.values() if each is not old):
        raise AwsError("ConflictException", f"Route with key {key} already exists for this API", 409)
    _check_target(api, given.get("target", old.target if old else ""))
    kind = given.get("authorizationType", old.authorization_type if old else "NONE")
    if kind not in _AUTHORIZED_BY:
        raise _bad(f"Invalid authorization type {kind}")
    wanted = _AUTHORIZED_BY[kind]
    authorizer = api.authorizers.get(given.get("authorizerId", old.authorizer_id if old else None))
    if wanted and (authorizer is None or authorizer.authorizer_type != wanted):
        raise _bad(f"A route of authorization type {kind} needs an authorizer of type {wanted}")


def _check_target(api: Any, target: str | None) -> None:
    if (target or "").removeprefix("integrations/") not in api.integrations:
        raise AwsError("NotFoundException", "Invalid integration identifier specified", 404)


def _check_integration(backend: Any, parts: list[str], given: Mapping[str, Any]) -> None:
    _api(backend, parts)
    if given.get("integrationType", "AWS_PROXY") != "AWS_PROXY":
        raise NotEmulated(f"an integration of the type {given['integrationType']}")
    for name in ("integrationSubtype", "connectionId", "credentialsArn", "requestParameters", "responseParameters"):
        if given.get(name):
            raise NotEmulated(f"{name} of an integration")
    if given.get("payloadFormatVersion", "2.0" if len(parts) > 2 else "") != "2.0":
        raise NotEmulated("an integration of an HTTP API without PayloadFormatVersion 2.0")
    milliseconds = given.get("timeoutInMillis", _MAX_MILLISECONDS)
    if not _MIN_MILLISECONDS <= milliseconds <= _MAX_MILLISECONDS:
        raise _bad(f"Timeout should be between {_MIN_MILLISECONDS} ms and {_MAX_MILLISECONDS} ms")


def _check_authorizer(backend: Any, parts: list[str], given: Mapping[str, Any]) -> None:
    api = _api(backend, parts)
    old = api.authorizers[parts[2]].to_json() if len(parts) > 2 and parts[2] in api.authorizers else {}
    wanted = {**old, **given}
    try:
        identity_sources.check(tuple(wanted.get("identitySource") or ()))
    except ValueError as error:
        raise _bad(str(error)) from error
    if wanted.get("authorizerType") == "JWT":
        jwt = wanted.get("jwtConfiguration") or {}
        if not jwt.get("issuer") or not jwt.get("audience") or len(wanted.get("identitySource") or ()) != 1:
            raise _bad("A JWT authorizer has an issuer, audiences and one identity source")
        return
    if wanted.get("authorizerCredentialsArn"):
        raise NotEmulated("authorizerCredentialsArn")
    if wanted.get("authorizerPayloadFormatVersion") != "2.0" or not wanted.get("enableSimpleResponses"):
        raise NotEmulated("an authorizer without payload format 2.0 and simple responses")
    ttl = wanted.get("authorizerResultTtlInSeconds") or 0
    if not 0 <= ttl <= _MAX_TTL_SECONDS:
        raise _bad(f"The TTL of an authorizer is at most {_MAX_TTL_SECONDS} s")
    if ttl and not wanted.get("identitySource"):
        raise _bad("An authorizer whose results are cached has identity sources")


def _check_stage(backend: Any, parts: list[str], given: Mapping[str, Any]) -> None:
    api = _api(backend, parts)
    if given.get("stageName") in api.stages:
        raise AwsError("ConflictException", "Stage already exists", 409)
    _check_deploys(given)


def _check_mapping(backend: Any, parts: list[str], given: Mapping[str, Any]) -> None:
    api = backend.apis.get(given.get("apiId"))
    if api is None:
        raise AwsError("NotFoundException", f"Invalid API identifier specified {given.get('apiId')}", 404)
    if given.get("stage") not in api.stages:
        raise _bad("Invalid stage identifier specified")
    key = given.get("apiMappingKey", "")
    mappings = backend.api_mappings.values()
    if any((each.domain_name, each.api_mapping_key or "") == (parts[0], key) for each in mappings):
        raise AwsError("ConflictException", "ApiMapping key already exists for this domain name", 409)


def _check_deploys(given: Mapping[str, Any]) -> None:
    if not given.get("autoDeploy", False) or given.get("deploymentId"):
        raise NotEmulated("a stage without AutoDeploy")


def _check_unused(name: str, used: Callable[[Any], str]) -> Callable[[Any, list[str], Mapping[str, Any]], None]:
    def check_it(backend: Any, parts: list[str], _given: Mapping[str, Any]) -> None:
        users = [route.route_key for route in _api(backend, parts).routes.values() if used(route) == parts[2]]
        if users:
            message = f"Cannot delete {name} '{parts[2]}'. It is referenced by the routes {', '.join(users)}"
            raise AwsError("ConflictException", message, 409)

    return check_it


def _update_stage(backend: Any, parts: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
    stage = backend.get_stage(parts[0], parts[2])
    config = {**stage.config, **given}
    _check_deploys(config)
    api = _api(backend, parts)
    updated = api.create_stage(config)
    updated.created, updated.tags = stage.created, stage.tags
    return dict(updated.to_json())


def _delete_log_settings(backend: Any, parts: list[str], _given: Mapping[str, Any]) -> dict[str, Any]:
    stage = backend.get_stage(parts[0], parts[2])
    stage.access_log_settings = None
    stage.config = {name: value for name, value in stage.config.items() if name != "accessLogSettings"}
    return {}


def _update_route(backend: Any, parts: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Change a route; moto keeps the old scopes where the new list is empty."""
    _check_route(backend, parts, given)
    route = _api(backend, parts).get_route(parts[2])
    for member, attribute in _ROUTE_MEMBERS.items():
        if member in given:
            setattr(route, attribute, given[member])
    return dict(route.to_json())


_ROUTE_MEMBERS = {
    "routeKey": "route_key",
    "target": "target",
    "authorizationType": "authorization_type",
    "authorizerId": "authorizer_id",
    "authorizationScopes": "authorization_scopes",
    "operationName": "operation_name",
}


def _get_authorizers(backend: Any, parts: list[str], _given: Mapping[str, Any]) -> dict[str, Any]:
    return {"items": [each.to_json() for each in _api(backend, parts).authorizers.values()]}


def _update_domain(backend: Any, parts: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
    domain = backend.get_domain_name(parts[0])
    domain.domain_name_configurations = given.get("domainNameConfigurations", domain.domain_name_configurations)
    return dict(domain.to_json())


def _delete_domain(backend: Any, parts: list[str], _given: Mapping[str, Any]) -> dict[str, Any]:
    """Delete a domain with its mappings; moto fails where there are some."""
    backend.get_domain_name(parts[0])
    backend.api_mappings = {
        each: mapping for each, mapping in backend.api_mappings.items() if mapping.domain_name != parts[0]
    }
    del backend.domain_names[parts[0]]
    return {}


def _update_mapping(backend: Any, parts: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
    mapping = backend.get_api_mapping(parts[2], parts[0])
    mapping.api_id = given.get("apiId", mapping.api_id)
    mapping.stage = given.get("stage", mapping.stage)
    mapping.api_mapping_key = given.get("apiMappingKey", mapping.api_mapping_key)
    return dict(mapping.to_json())


def _api(backend: Any, parts: list[str]) -> Any:
    found = backend.apis.get(parts[0])
    if found is None:
        raise AwsError("NotFoundException", f"Invalid API identifier specified {parts[0]}", 404)
    return found


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text, 400)


_CHECKS: Mapping[str, Callable[[Any, list[str], Mapping[str, Any]], None]] = {
    "CreateApi": _check_api,
    "UpdateApi": _check_api,
    "CreateRoute": _check_route,
    "CreateIntegration": _check_integration,
    "UpdateIntegration": _check_integration,
    "CreateAuthorizer": _check_authorizer,
    "UpdateAuthorizer": _check_authorizer,
    "CreateStage": _check_stage,
    "CreateApiMapping": _check_mapping,
    "DeleteIntegration": _check_unused("Integration", lambda route: (route.target or "").removeprefix("integrations/")),
    "DeleteAuthorizer": _check_unused("Authorizer", lambda route: route.authorizer_id),
}
_OWN: Mapping[str, Callable[[Any, list[str], Mapping[str, Any]], dict[str, Any]]] = {
    "UpdateRoute": _update_route,
    "UpdateStage": _update_stage,
    "DeleteAccessLogSettings": _delete_log_settings,
    "GetAuthorizers": _get_authorizers,
    "UpdateDomainName": _update_domain,
    "DeleteDomainName": _delete_domain,
    "UpdateApiMapping": _update_mapping,
}
