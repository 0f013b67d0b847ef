"""AWS::ApiGatewayV2::Api, Stage, Route, Integration, Authorizer, DomainName and ApiMapping: HTTP APIs.

Their `Tags` are an object, not a list.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.cloudformation.resources.base import Existing, New, Properties, ResourceType, coerce

_SERVICE = "apigatewayv2"


class _Part(ResourceType):
    """A resource below another: an API, or a domain name."""

    noun: ClassVar[str]
    parent: ClassVar[str] = "ApiId"
    key: ClassVar[str]  # the member of answers with the physical id, and the parameter for it
    defaults: ClassVar[Properties] = {}  # what a property is when the template no longer names it

    def create(self, new: New) -> None:
        made = new.cloud.call(_SERVICE, f"Create{self.noun}", **new.properties)
        new.made(made[self.key])

    def update(self, it: Existing, wanted: Properties) -> None:
        if self.tags_are_object:
            _tag(it, f"arn:aws:apigateway:{it.cloud.region}::{self.path(it)}", wanted)
        changed = {
            name: wanted.get(name, self.defaults.get(name))
            for name in self.properties - self.replaces - {"Tags"}
            if it.properties.get(name) != wanted.get(name)
        }
        if changed:
            it.cloud.call(_SERVICE, f"Update{self.noun}", **self._names(it), **changed)

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call(_SERVICE, f"Delete{self.noun}", **self._names(it))
        except it.cloud.client(_SERVICE).exceptions.NotFoundException:
            pass

    def actual(self, it: Existing) -> Properties | None:
        try:
            found = it.cloud.call(_SERVICE, f"Get{self.noun}", **self._names(it))
        except it.cloud.client(_SERVICE).exceptions.NotFoundException:
            return None
        shape = it.cloud.client(_SERVICE).meta.service_model.operation_model(f"Create{self.noun}").input_shape
        given = coerce(it.properties, shape)
        differ = {name for name in self.compared() if name in given and not _is_as_given(given[name], found.get(name))}
        return {**it.properties, **{name: found.get(name) for name in differ}}

    def compared(self) -> frozenset[str]:
        """Return the properties that drift is looked for in."""
        return frozenset()

    def path(self, it: Existing) -> str:
        """Return the end of the ARN of a resource that has tags."""
        raise NotImplementedError

    def _names(self, it: Existing) -> dict[str, str]:
        return {self.parent: str(it.properties[self.parent]), self.key: it.physical_id}


class Api(_Part):
    properties = frozenset(
        {"Name", "ProtocolType", "Description", "CorsConfiguration", "DisableExecuteApiEndpoint", "Tags", "Version"}
    )
    replaces = frozenset({"ProtocolType"})
    tags_are_object = True
    noun = "Api"
    key = "ApiId"
    defaults: ClassVar[Properties] = {"Description": "", "DisableExecuteApiEndpoint": False, "Version": ""}

    def update(self, it: Existing, wanted: Properties) -> None:
        if "CorsConfiguration" in it.properties and "CorsConfiguration" not in wanted:
            it.cloud.call(_SERVICE, "DeleteCorsConfiguration", ApiId=it.physical_id)
        super().update(it, wanted)

    def compared(self) -> frozenset[str]:
        return frozenset({"Name", "CorsConfiguration", "DisableExecuteApiEndpoint"})

    def path(self, it: Existing) -> str:
        return f"/apis/{it.physical_id}"

    def attributes(self, it: Existing) -> dict[str, str]:
        endpoint = it.cloud.call(_SERVICE, "GetApi", ApiId=it.physical_id)["ApiEndpoint"]
        return {"ApiId": it.physical_id, "ApiEndpoint": endpoint}

    def _names(self, it: Existing) -> dict[str, str]:
        return {"ApiId": it.physical_id}


class Stage(_Part):
    properties = frozenset(
        {
            *("ApiId", "StageName", "AutoDeploy", "Description", "StageVariables", "AccessLogSettings", "Tags"),
            *("DefaultRouteSettings", "RouteSettings"),
        }
    )
    replaces = frozenset({"ApiId", "StageName"})
    tags_are_object = True
    noun = "Stage"
    key = "StageName"
    defaults: ClassVar[Properties] = {
        "AutoDeploy": False,
        "Description": "",
        "StageVariables": {},
        "DefaultRouteSettings": {},
        "RouteSettings": {},
    }

    def update(self, it: Existing, wanted: Properties) -> None:
        if "AccessLogSettings" in it.properties and "AccessLogSettings" not in wanted:
            it.cloud.call(_SERVICE, "DeleteAccessLogSettings", **self._names(it))
        super().update(it, wanted)

    def compared(self) -> frozenset[str]:
        return self.properties - {"ApiId", "StageName", "Tags"}

    def path(self, it: Existing) -> str:
        return f"/apis/{it.properties['ApiId']}/stages/{it.physical_id}"


class Route(_Part):
    properties = frozenset(
        {*("ApiId", "RouteKey", "Target", "AuthorizationType", "AuthorizerId"), "AuthorizationScopes", "OperationName"}
    )
    replaces = frozenset({"ApiId"})
    noun = "Route"
    key = "RouteId"
    defaults: ClassVar[Properties] = {"AuthorizationType": "NONE", "AuthorizationScopes": [], "OperationName": ""}

    def compared(self) -> frozenset[str]:
        return self.properties - {"ApiId"}

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"RouteId": it.physical_id}


class Integration(_Part):
    properties = frozenset(
        {
            *("ApiId", "IntegrationType", "IntegrationUri", "IntegrationMethod", "PayloadFormatVersion"),
            *("TimeoutInMillis", "Description"),
        }
    )
    replaces = frozenset({"ApiId"})
    noun = "Integration"
    key = "IntegrationId"
    defaults: ClassVar[Properties] = {"TimeoutInMillis": 30_000, "Description": "", "IntegrationMethod": "POST"}

    def compared(self) -> frozenset[str]:
        return self.properties - {"ApiId"}

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"IntegrationId": it.physical_id}


class Authorizer(_Part):
    properties = frozenset(
        {
            *("ApiId", "Name", "AuthorizerType", "AuthorizerUri", "AuthorizerPayloadFormatVersion"),
            *("AuthorizerResultTtlInSeconds", "EnableSimpleResponses", "IdentitySource", "JwtConfiguration"),
        }
    )
    replaces = frozenset({"ApiId"})
    noun = "Authorizer"
    key = "AuthorizerId"
    defaults: ClassVar[Properties] = {"AuthorizerResultTtlInSeconds": 0, "IdentitySource": []}

    def compared(self) -> frozenset[str]:
        return self.properties - {"ApiId"}

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"AuthorizerId": it.physical_id}


class DomainName(_Part):
    properties = frozenset({"DomainName", "DomainNameConfigurations", "Tags"})
    replaces = frozenset({"DomainName"})
    tags_are_object = True
    named_by = "DomainName"
    noun = "DomainName"
    key = "DomainName"

    def compared(self) -> frozenset[str]:
        return frozenset({"DomainNameConfigurations"})

    def path(self, it: Existing) -> str:
        return f"/domainnames/{it.physical_id}"

    def attributes(self, it: Existing) -> dict[str, str]:
        region = it.cloud.region
        target = f"d-{it.physical_id.replace('.', '')[:10]}.execute-api.{region}.amazonaws.com"
        return {
            "RegionalDomainName": target,
            "RegionalHostedZoneId": "Z0000000000000000000",  # no hosted zone of AWS's
            "DomainNameArn": f"arn:aws:apigateway:{region}::/domainnames/{it.physical_id}",
        }

    def _names(self, it: Existing) -> dict[str, str]:
        return {"DomainName": it.physical_id}


class ApiMapping(_Part):
    properties = frozenset({"ApiId", "DomainName", "Stage", "ApiMappingKey"})
    replaces = frozenset({"DomainName"})
    noun = "ApiMapping"
    parent = "DomainName"
    key = "ApiMappingId"

    def update(self, it: Existing, wanted: Properties) -> None:
        # Unlike elsewhere, the API is a parameter of every change.
        changed = {"ApiId": wanted["ApiId"], "Stage": wanted["Stage"]}
        it.cloud.call(
            _SERVICE, "UpdateApiMapping", **self._names(it), **changed, ApiMappingKey=wanted.get("ApiMappingKey", "")
        )

    def compared(self) -> frozenset[str]:
        return frozenset({"ApiId", "Stage", "ApiMappingKey"})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"ApiMappingId": it.physical_id}


def _is_as_given(given: Any, found: Any) -> bool:
    """Return whether a value is as the template gives it; API Gateway adds members of its own."""
    if isinstance(given, dict):
        members = found if isinstance(found, dict) else {}
        return all(_is_as_given(value, members.get(name)) for name, value in given.items())
    return bool(given == found)


def _tag(it: Existing, arn: str, wanted: Properties) -> None:
    old: dict[str, Any] = it.properties.get("Tags") or {}
    new: dict[str, Any] = wanted.get("Tags") or {}
    if not isinstance(new, dict):
        raise NotEmulated("a list of tags, where API Gateway has an object")
    if gone := sorted(old.keys() - new.keys()):
        it.cloud.call(_SERVICE, "UntagResource", ResourceArn=arn, TagKeys=gone)
    if new and new != old:
        it.cloud.call(_SERVICE, "TagResource", ResourceArn=arn, Tags=new)
