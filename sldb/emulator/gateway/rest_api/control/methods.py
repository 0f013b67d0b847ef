"""The calls for the resources of an API, their methods, and the integrations of these."""

from __future__ import annotations

import re

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.gateway.rest_api import mock
from sldb.emulator.gateway.rest_api.control.apis import refuse
from sldb.emulator.gateway.rest_api.documents import Asked, Document, bad_request, conflict, new_id, not_found
from sldb.emulator.gateway.rest_api.documents import page as page_of

_PATH_PART = re.compile(r"[a-zA-Z0-9._:\-]+|\{[a-zA-Z0-9._:\-]+\+?\}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")
_MIN_TIMEOUT_MS, MAX_TIMEOUT_MS = 50, 29_000
_METHOD_UNSUPPLIED = ("authorizerId", "authorizationScopes", "requestValidatorId", "requestModels")
_INTEGRATION_UNSUPPLIED = ("credentials", "connectionId", "requestParameters", "cacheKeyParameters", "contentHandling")


def create_resource(asked: Asked) -> Document:
    parent, part = asked.resource(), str(asked.body.get("pathPart", ""))
    if _PATH_PART.fullmatch(part) is None:
        raise bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )
    if parent.get("pathPart", "").endswith("+}"):
        raise bad_request("Cannot create a child of a resource with a greedy path variable")
    resources = asked.api()["_resources"]
    if any(each.get("parentId") == parent["id"] and each["pathPart"] == part for each in resources.values()):
        raise conflict(f"Another resource with the same parent already has this name: {part}")
    resource: Document = {
        "id": new_id(),
        "parentId": parent["id"],
        "pathPart": part,
        "path": f"{parent['path'].rstrip('/')}/{part}",
        "resourceMethods": {},
    }
    resources[resource["id"]] = resource
    return resource


def read_resource(asked: Asked) -> Document:
    return asked.resource()


def read_resources(asked: Asked) -> Document:
    return page_of(asked.api()["_resources"], asked.query)


def delete_resource(asked: Asked) -> Document:
    """Delete a resource and those below it."""
    resource, resources = asked.resource(), asked.api()["_resources"]
    if "parentId" not in resource:
        raise bad_request("Root resource cannot be deleted")
    gone = {resource["id"]}
    for each in list(resources.values()):  # a child was made after its parent
        if each["id"] in gone or each.get("parentId") in gone:
            gone.add(each["id"])
            del resources[each["id"]]
    return {}


def put_method(asked: Asked) -> Document:
    resource, name, body = asked.resource(), asked.ids["method"].upper(), asked.body
    if name not in _METHODS:
        raise bad_request("Invalid HTTP method specified. Must be one of {}".format(", ".join(_METHODS)))
    if name in resource["resourceMethods"]:
        raise conflict("Method already exists for this resource")
    refuse(body, _METHOD_UNSUPPLIED, "a method")
    if body.get("authorizationType") != "NONE":
        raise NotEmulated(f"the authorization {body.get('authorizationType')} of a REST API's method")
    method = {
        "httpMethod": name,
        "authorizationType": "NONE",
        "apiKeyRequired": bool(body.get("apiKeyRequired")),
        "methodResponses": {},
    }
    resource["resourceMethods"][name] = method
    return method


def read_method(asked: Asked) -> Document:
    return asked.method()


def delete_method(asked: Asked) -> Document:
    del asked.resource()["resourceMethods"][asked.method()["httpMethod"]]
    return {}


def put_method_response(asked: Asked) -> Document:
    response = {"statusCode": asked.ids["status"], "responseParameters": asked.body.get("responseParameters") or {}}
    responses = asked.method()["methodResponses"]
    if asked.ids["status"] in responses:
        raise conflict("Response already exists for this resource")
    responses[asked.ids["status"]] = response
    return response


def put_integration(asked: Asked) -> Document:
    method, body = asked.method(), asked.body
    refuse(body, _INTEGRATION_UNSUPPLIED, "an integration")
    if body.get("passthroughBehavior") not in (None, "WHEN_NO_MATCH", "NEVER"):
        raise NotEmulated(f"passthroughBehavior {body['passthroughBehavior']} of an integration")
    kind = body.get("type")
    if kind not in ("AWS_PROXY", "MOCK"):
        raise NotEmulated(f"the integration type {kind} of a REST API")
    timeout_ms = int(body.get("timeoutInMillis") or MAX_TIMEOUT_MS)
    if not _MIN_TIMEOUT_MS <= timeout_ms <= MAX_TIMEOUT_MS:
        raise bad_request(f"Timeout should be between {_MIN_TIMEOUT_MS} ms and {MAX_TIMEOUT_MS} ms")
    integration = {"type": kind, "timeoutInMillis": timeout_ms, "integrationResponses": {}}
    if kind == "MOCK":
        templates = body.get("requestTemplates") or {}
        mock.check_request_templates(templates)
        integration["requestTemplates"] = templates
    else:
        _check_function(body)
        integration.update(uri=body["uri"], httpMethod=body["httpMethod"])
    method["methodIntegration"] = integration
    return integration


def _check_function(body: Document) -> None:
    if ":lambda:path/2015-03-31/functions/" not in str(body.get("uri", "")):
        raise bad_request("Invalid ARN specified in the request")
    if body.get("httpMethod") != "POST":  # AWS takes others, and fails to invoke the function with them
        raise NotEmulated(f"the method {body.get('httpMethod')} for the invocation of a function")


def read_integration(asked: Asked) -> Document:
    return _integration(asked)


def put_integration_response(asked: Asked) -> Document:
    integration, body, status = _integration(asked), asked.body, asked.ids["status"]
    if body.get("selectionPattern") or body.get("contentHandling"):
        raise NotEmulated("selectionPattern and contentHandling of an integration response")
    method_response = asked.method()["methodResponses"].get(status)
    if method_response is None:
        raise not_found("Invalid Response status code specified")
    parameters = body.get("responseParameters") or {}
    for name in parameters:
        if name not in method_response["responseParameters"]:
            raise bad_request(f"Invalid mapping expression specified: {name} is not declared by the method response")
    mock.check_response(parameters, body.get("responseTemplates") or {})
    if integration["integrationResponses"].keys() - {status}:
        raise NotEmulated("a second response of an integration")
    response = {
        "statusCode": status,
        "responseParameters": parameters,
        "responseTemplates": body.get("responseTemplates") or {},
    }
    integration["integrationResponses"][status] = response
    return response


def _integration(asked: Asked) -> Document:
    method = asked.method()
    if "methodIntegration" not in method:
        raise not_found("Invalid Integration identifier specified")
    found: Document = method["methodIntegration"]
    return found
