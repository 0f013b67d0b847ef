"""The calls for REST APIs, their gateway responses and the account's setting."""

from __future__ import annotations

import time

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.gateway.rest_api.control import patches
from sldb.emulator.gateway.rest_api.documents import Asked, Document, bad_request, found, new_id, page, shown
from sldb.emulator.gateway.rest_api.failures import FALLBACKS, KINDS

_MADE_OF = ("name", "description", "apiKeySource", "endpointConfiguration", "disableExecuteApiEndpoint", "tags")
_NOT_SUPPLIED = ("cloneFrom", "policy", "minimumCompressionSize", "binaryMediaTypes")


def create(asked: Asked) -> Document:
    if not asked.body.get("name"):
        raise bad_request("API name must be specified")
    refuse(asked.body, _NOT_SUPPLIED, "a REST API")
    if asked.body.get("apiKeySource", "HEADER") != "HEADER":
        raise NotEmulated("API keys of an authorizer")
    root = new_id()
    api: Document = {
        "id": new_id(),
        "apiKeySource": "HEADER",
        "endpointConfiguration": {"types": ["EDGE"]},
        "disableExecuteApiEndpoint": False,
        **{name: asked.body[name] for name in _MADE_OF if name in asked.body},
        "createdDate": int(time.time()),
        "rootResourceId": root,
        "_resources": {root: {"id": root, "path": "/", "resourceMethods": {}}},
        "_responses": {},
        "_deployments": {},
        "_stages": {},
    }
    asked.region["apis"][api["id"]] = api
    return shown(api)


def read(asked: Asked) -> Document:
    return shown(asked.api())


def read_all(asked: Asked) -> Document:
    return page(asked.region["apis"], asked.query)


def update(asked: Asked) -> Document:
    api = asked.api()
    kinds: dict[str, patches.Kind] = {"/name": str, "/description": str, "/disableExecuteApiEndpoint": patches.truth}
    patches.apply(api, patches.operations(asked.body), kinds)
    return shown(api)


def delete(asked: Asked) -> Document:
    """Delete an API with its parts, also from usage plans. (A refusal by AWS because of a plan is not verified;
    CloudFormation deletes the plan first.)"""
    api = asked.api()
    del asked.region["apis"][api["id"]]
    for plan in asked.region["plans"].values():
        plan["apiStages"] = [each for each in plan["apiStages"] if each["apiId"] != api["id"]]
    return {}


def put_response(asked: Asked) -> Document:
    kind = _response_kind(asked)
    response = {
        "responseType": kind,
        "defaultResponse": False,
        **{
            name: asked.body[name]
            for name in ("statusCode", "responseParameters", "responseTemplates")
            if asked.body.get(name)
        },
    }
    for text in response.get("responseTemplates", {}).values():
        if "#" in text:
            raise NotEmulated("a directive in the template of a gateway response")
    for name, value in response.get("responseParameters", {}).items():
        if not name.startswith("gatewayresponse.header.") or not (value.startswith("'") and value.endswith("'")):
            raise NotEmulated(f"{name}: {value} in a gateway response, which is no header with a fixed value")
    asked.api()["_responses"][kind] = response
    return response


def read_response(asked: Asked) -> Document:
    """Return a gateway response, or the default."""
    kind = _response_kind(asked)
    default = {"responseType": kind, "defaultResponse": True}
    return dict(asked.api()["_responses"].get(kind, default))


def read_responses(asked: Asked) -> Document:
    return {"item": list(asked.api()["_responses"].values())}


def delete_response(asked: Asked) -> Document:
    responses = asked.api()["_responses"]
    found(responses, _response_kind(asked), "Gateway response type not defined on api")
    del responses[asked.ids["type"]]
    return {}


def _response_kind(asked: Asked) -> str:
    kind = asked.ids["type"]
    if kind not in KINDS and kind not in FALLBACKS:
        raise bad_request(f"Invalid gateway response type: {kind}")
    return kind


def read_account(asked: Asked) -> Document:
    return {"throttleSettings": {"rateLimit": 10_000.0, "burstLimit": 5_000}, **asked.region["account"]}


def update_account(asked: Asked) -> Document:
    patches.apply(asked.region["account"], patches.operations(asked.body), {"/cloudwatchRoleArn": str})
    return read_account(asked)


def refuse(body: Document, names: tuple[str, ...], what: str) -> None:
    """Raise NotEmulated if the body has one of the parameters."""
    for name in names:
        if body.get(name):
            raise NotEmulated(f"{name} of {what}")
