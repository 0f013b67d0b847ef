"""AWS::ApiGateway::RestApi, Resource, Method, GatewayResponse, Deployment, Stage and Account.

A deployment is a copy of the API at its creation, as in CloudFormation: a template needs another one, under another
logical id, for changes of methods to reach a stage. An update of a method makes it anew.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual

_INTEGRATION = {
    "Type": "type",
    "Uri": "uri",
    "IntegrationHttpMethod": "integrationHttpMethod",
    "TimeoutInMillis": "timeoutInMillis",
    "RequestTemplates": "requestTemplates",
    "PassthroughBehavior": "passthroughBehavior",
}


def call(cloud: Cloud, operation: str, **parameters: Any) -> Any:
    return cloud.call("apigateway", operation, **parameters)


def find(cloud: Cloud, operation: str, **parameters: Any) -> Any:
    """Return the answer to a Get call; None if there is no such thing."""
    try:
        return call(cloud, operation, **parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return None
        raise


def remove(cloud: Cloud, operation: str, **parameters: Any) -> None:
    """Make a Delete call. A missing thing counts as deleted."""
    find(cloud, operation, **parameters)


def replacing(old: Properties, new: Properties, paths: dict[str, str]) -> list[dict[str, str]]:
    """Return patch operations for the differing properties; `paths` has the path of each."""
    found = []
    for name, path in paths.items():
        if str(old.get(name, "")) != str(new.get(name, "")):
            found.append({"op": "replace", "path": path, "value": _text(new.get(name, ""))})
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def tags_of(properties: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}


def retag(it: Existing, wanted: Properties, path: str) -> None:
    """Change the tags of the thing with this path from the old to the wanted ones."""
    old, new = tags_of(it.properties), tags_of(wanted)
    arn = f"arn:aws:apigateway:{it.cloud.region}::{path}"
    if gone := sorted(old.keys() - new.keys()):
        call(it.cloud, "UntagResource", resourceArn=arn, tagKeys=gone)
    if new and new != old:
        call(it.cloud, "TagResource", resourceArn=arn, tags=new)


class RestApi(ResourceType):
    properties = frozenset(
        {"Name", "Description", "ApiKeySourceType", "EndpointConfiguration", "DisableExecuteApiEndpoint", "Tags"}
    )
    replaces = frozenset[str]()

    def create(self, new: New) -> None:
        wanted = new.properties
        optional = {
            name: wanted[key]
            for key, name in (
                ("Description", "description"),
                ("ApiKeySourceType", "apiKeySource"),
                ("DisableExecuteApiEndpoint", "disableExecuteApiEndpoint"),
            )
            if key in wanted
        }
        if "EndpointConfiguration" in wanted:
            optional["endpointConfiguration"] = {"types": wanted["EndpointConfiguration"]["Types"]}
        made = call(new.cloud, "CreateRestApi", name=wanted["Name"], tags=tags_of(wanted), **optional)
        new.made(made["id"])

    def update(self, it: Existing, wanted: Properties) -> None:
        for name in ("ApiKeySourceType", "EndpointConfiguration"):
            if it.properties.get(name) != wanted.get(name):
                raise NotEmulated(f"a change of a REST API's {name}")
        default = {"DisableExecuteApiEndpoint": False}
        paths = {
            "Name": "/name",
            "Description": "/description",
            "DisableExecuteApiEndpoint": "/disableExecuteApiEndpoint",
        }
        patch = replacing({**default, **it.properties}, {**default, **wanted}, paths)
        if patch:
            call(it.cloud, "UpdateRestApi", restApiId=it.physical_id, patchOperations=patch)
        retag(it, wanted, f"/restapis/{it.physical_id}")

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteRestApi", restApiId=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetRestApi", restApiId=it.physical_id)
        return found and with_actual(
            it.properties, {"Name": found["name"], "Description": found.get("description", "")}
        )

    def attributes(self, it: Existing) -> dict[str, str]:
        found = call(it.cloud, "GetRestApi", restApiId=it.physical_id)
        return {"RootResourceId": found["rootResourceId"], "RestApiId": it.physical_id}


class Resource(ResourceType):
    properties = frozenset({"RestApiId", "ParentId", "PathPart"})
    replaces = properties

    def create(self, new: New) -> None:
        wanted = new.properties
        made = call(
            new.cloud,
            "CreateResource",
            restApiId=wanted["RestApiId"],
            parentId=wanted["ParentId"],
            pathPart=wanted["PathPart"],
        )
        new.made(made["id"])

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteResource", restApiId=it.properties["RestApiId"], resourceId=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetResource", restApiId=it.properties["RestApiId"], resourceId=it.physical_id)
        return found and it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"ResourceId": it.physical_id}


class Method(ResourceType):
    properties = frozenset(
        {
            *("RestApiId", "ResourceId", "HttpMethod", "AuthorizationType", "ApiKeyRequired"),
            *("Integration", "MethodResponses"),
        }
    )
    replaces = frozenset({"RestApiId", "ResourceId", "HttpMethod"})

    def create(self, new: New) -> None:
        where = _method(new.properties)
        authorization = {
            "authorizationType": new.properties.get("AuthorizationType", "NONE"),
            "apiKeyRequired": new.properties.get("ApiKeyRequired", False),
        }
        call(new.cloud, "PutMethod", **where, **authorization)
        new.made("|".join((where["restApiId"], where["resourceId"], where["httpMethod"])))
        for response in new.properties.get("MethodResponses", []):
            _refuse(response, {"StatusCode", "ResponseParameters"}, "a method response")
            parameters = {name: _text(value) for name, value in response.get("ResponseParameters", {}).items()}
            status = {"statusCode": response["StatusCode"], "responseParameters": parameters}
            call(new.cloud, "PutMethodResponse", **where, **status)
        if "Integration" in new.properties:
            _put_integration(new.cloud, where, new.properties["Integration"])

    def update(self, it: Existing, wanted: Properties) -> None:
        remove(it.cloud, "DeleteMethod", **_method(it.properties))
        self.create(New(it.cloud, "", "", wanted, lambda _physical_id: None))

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteMethod", **_method(it.properties))

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetMethod", **_method(it.properties))
        return found and with_actual(it.properties, {"ApiKeyRequired": str(found["apiKeyRequired"]).lower()})


def _method(properties: Properties) -> dict[str, str]:
    return {
        "restApiId": properties["RestApiId"],
        "resourceId": properties["ResourceId"],
        "httpMethod": properties["HttpMethod"],
    }


def _put_integration(cloud: Cloud, where: dict[str, str], integration: Properties) -> None:
    _refuse(integration, {*_INTEGRATION, "IntegrationResponses"}, "an integration")
    parameters = {_INTEGRATION[name]: value for name, value in integration.items() if name in _INTEGRATION}
    call(cloud, "PutIntegration", **where, **parameters)
    for response in integration.get("IntegrationResponses", []):
        _refuse(response, {"StatusCode", "ResponseParameters", "ResponseTemplates"}, "an integration response")
        call(
            cloud,
            "PutIntegrationResponse",
            **where,
            statusCode=response["StatusCode"],
            responseParameters=response.get("ResponseParameters", {}),
            responseTemplates=response.get("ResponseTemplates", {}),
        )


def _refuse(given: Properties, known: set[str], what: str) -> None:
    if unknown := sorted(set(given) - known):
        raise NotEmulated(f"{unknown[0]} of {what}")


class GatewayResponse(ResourceType):
    properties = frozenset({"RestApiId", "ResponseType", "StatusCode", "ResponseParameters", "ResponseTemplates"})
    replaces = frozenset({"RestApiId", "ResponseType"})

    def create(self, new: New) -> None:
        self.update(new.existing(""), new.properties)
        new.made(f"{new.properties['RestApiId']}|{new.properties['ResponseType']}")

    def update(self, it: Existing, wanted: Properties) -> None:
        status = {"statusCode": wanted["StatusCode"]} if "StatusCode" in wanted else {}
        call(
            it.cloud,
            "PutGatewayResponse",
            restApiId=wanted["RestApiId"],
            responseType=wanted["ResponseType"],
            responseParameters=wanted.get("ResponseParameters", {}),
            responseTemplates=wanted.get("ResponseTemplates", {}),
            **status,
        )

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteGatewayResponse", **self._where(it))

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetGatewayResponse", **self._where(it))
        if found is None or found["defaultResponse"]:
            return None
        return with_actual(it.properties, {"ResponseParameters": found.get("responseParameters", {})})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Id": it.physical_id}

    def _where(self, it: Existing) -> dict[str, str]:
        return {"restApiId": it.properties["RestApiId"], "responseType": it.properties["ResponseType"]}


class Deployment(ResourceType):
    properties = frozenset({"RestApiId", "Description"})
    replaces = frozenset({"RestApiId"})

    def create(self, new: New) -> None:
        wanted = new.properties
        made = call(
            new.cloud, "CreateDeployment", restApiId=wanted["RestApiId"], description=wanted.get("Description", "")
        )
        new.made(made["id"])

    def update(self, it: Existing, wanted: Properties) -> None:
        patch = replacing(it.properties, wanted, {"Description": "/description"})
        if patch:
            call(it.cloud, "UpdateDeployment", **self._where(it), patchOperations=patch)

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteDeployment", **self._where(it))

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetDeployment", **self._where(it))
        return found and with_actual(it.properties, {"Description": found.get("description", "")})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"DeploymentId": it.physical_id}

    def _where(self, it: Existing) -> dict[str, str]:
        return {"restApiId": it.properties["RestApiId"], "deploymentId": it.physical_id}


class Account(ResourceType):
    """The role for logs: a setting of the account. It outlives the stack."""

    properties = frozenset({"CloudWatchRoleArn"})
    replaces = frozenset[str]()

    def create(self, new: New) -> None:
        self.update(new.existing(""), new.properties)
        new.made(new.name())

    def update(self, it: Existing, wanted: Properties) -> None:
        patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": wanted.get("CloudWatchRoleArn", "")}]
        call(it.cloud, "UpdateAccount", patchOperations=patch)

    def delete(self, it: Existing) -> None:
        """Leave the setting, as CloudFormation does."""

    def actual(self, it: Existing) -> Properties | None:
        found = call(it.cloud, "GetAccount").get("cloudwatchRoleArn", "")
        return with_actual(it.properties, {"CloudWatchRoleArn": found})
