"""The checks of the resources of the APIs: whether each is there. `losses` has those of the other resources.

A logical id begins with the kind of its API, in the template: TokenStage is of TokenApi.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sldb.deploy.checks.check import Problems, ResourceCheck

_KIND = re.compile(r"(Token|Jwt|Iam|Key)[A-Z]")
_METHODS = {  # logical id: resource, method; "" is the root
    "KeyPostMethod": ("KeyResource", "POST"),
    "KeyGetMethod": ("KeyResource", "GET"),
    "KeyRootMethod": ("", "POST"),
    "KeyProxyOptions": ("KeyResource", "OPTIONS"),
    "KeyRootOptions": ("", "OPTIONS"),
}
_RESPONSES = {"KeyClientErrors": "DEFAULT_4XX", "KeyServerErrors": "DEFAULT_5XX"}


def _http(method: str, *, argument: str = "", words: str = "") -> Callable[[ResourceCheck], Problems]:
    """Return the check of a part of an HTTP API. `argument`: what its id is called."""

    def check(it: ResourceCheck) -> Problems:
        given = {argument: _id(it)} if argument else {}
        yield from _missing(it, words, lambda: getattr(it.account.apis, method)(ApiId=_api(it), **given))

    return check


def _rest(method: str, *, argument: str = "", words: str = "") -> Callable[[ResourceCheck], Problems]:
    """Return the check of a part of a REST API."""

    def check(it: ResourceCheck) -> Problems:
        given = {argument: _id(it)} if argument else {}
        yield from _missing(it, words, lambda: getattr(it.account.rest_apis, method)(restApiId=_api(it), **given))

    return check


def _method(it: ResourceCheck) -> Problems:
    resource, method = _METHODS[it.resource.logical_id]
    client, api = it.account.rest_apis, _api(it)

    def call() -> Any:
        resource_id = _id_of(it.names[resource]) if resource else _root(client, api)
        return client.get_method(restApiId=api, resourceId=resource_id, httpMethod=method)

    yield from _missing(it, f"the method {method} of", call)


def _root(client: Any, api: str) -> str:
    listed: list[dict[str, str]] = client.get_resources(restApiId=api, limit=500)["items"]
    return next(each["id"] for each in listed if each["path"] == "/")


def _gateway_response(it: ResourceCheck) -> Problems:
    kind, client = _RESPONSES[it.resource.logical_id], it.account.rest_apis
    yield from _missing(
        it, f"the response {kind} of", lambda: client.get_gateway_response(restApiId=_api(it), responseType=kind)
    )


def _usage_plan(it: ResourceCheck) -> Problems:
    yield from _missing(
        it, "the usage plan of", lambda: it.account.rest_apis.get_usage_plan(usagePlanId=it.resource.physical_id)
    )


def _domain(it: ResourceCheck) -> Problems:
    subject = f"the custom domain {it.name}"
    if it.describe(subject, lambda: it.account.apis.get_domain_name(DomainName=it.name)) is None:
        yield f"{subject} is gone"


def _mapping(it: ResourceCheck) -> Problems:
    domain = it.parameters.get("ApiDomain", "")
    subject, client = f"the mapping of the custom domain {domain}", it.account.apis
    # Of a mapping CloudFormation may show the domain beside its id.
    mapping_id = next(part for part in it.name.split("|") if part != domain)
    if it.describe(subject, lambda: client.get_api_mapping(DomainName=domain, ApiMappingId=mapping_id)) is None:
        yield f"{subject} is gone"


def _secret(it: ResourceCheck) -> Problems:
    subject = "the secret that signs tokens"
    found = it.describe(subject, lambda: it.account.secrets.describe_secret(SecretId=it.name))
    if found is None or "DeletedDate" in found:
        yield f"{subject} is gone, and all tokens with it"


def _missing(it: ResourceCheck, words: str, call: Callable[[], Any]) -> Problems:
    subject = f"{words} the {_kind(it)} API {_api(it)}".strip()
    if it.describe(subject, call) is None:
        yield f"{subject} is gone"


def _kind(it: ResourceCheck) -> str:
    found = _KIND.match(it.resource.logical_id)
    assert found is not None
    return found[1].lower()


def _api(it: ResourceCheck) -> str:
    return it.names[f"{_kind(it).title()}Api"]


def _id(it: ResourceCheck) -> str:
    return _id_of(it.name)


def _id_of(physical_id: str) -> str:
    """Return a resource's own id: that of the API may stand before it."""
    return physical_id.rpartition("|")[2]


API_CHECKS: Mapping[str, Callable[[ResourceCheck], Problems]] = {
    "AWS::ApiGatewayV2::Api": _http("get_api"),
    "AWS::ApiGatewayV2::Authorizer": _http("get_authorizer", argument="AuthorizerId", words="the authorizer of"),
    "AWS::ApiGatewayV2::Integration": _http("get_integration", argument="IntegrationId", words="the integration of"),
    "AWS::ApiGatewayV2::Route": _http("get_route", argument="RouteId", words="a route of"),
    "AWS::ApiGatewayV2::Stage": _http("get_stage", argument="StageName", words="the stage of"),
    "AWS::ApiGatewayV2::DomainName": _domain,
    "AWS::ApiGatewayV2::ApiMapping": _mapping,
    "AWS::ApiGateway::RestApi": _rest("get_rest_api"),
    "AWS::ApiGateway::Resource": _rest("get_resource", argument="resourceId", words="the resource of"),
    "AWS::ApiGateway::Method": _method,
    "AWS::ApiGateway::GatewayResponse": _gateway_response,
    "AWS::ApiGateway::Deployment": _rest("get_deployment", argument="deploymentId", words="the deployment of"),
    "AWS::ApiGateway::Stage": _rest("get_stage", argument="stageName", words="the stage of"),
    "AWS::ApiGateway::UsagePlan": _usage_plan,
    "AWS::SecretsManager::Secret": _secret,
}
