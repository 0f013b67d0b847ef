"""The calls for deployments and stages.

A deployment keeps a copy of the resources and gateway responses of its API, for stages to answer with.
"""

from __future__ import annotations

import copy
import re
import time
from typing import Any

from sldb.emulator.gateway.rest_api.control import patches
from sldb.emulator.gateway.rest_api.control.apis import refuse
from sldb.emulator.gateway.rest_api.documents import Asked, Document, bad_request, conflict, new_id, page, shown

_NAME = re.compile(r"[a-zA-Z0-9_\-]{1,128}")
_SETTING = re.compile(r"/(?P<of>[^/]+/[^/]+)(/throttling/(?P<name>rateLimit|burstLimit))?")
_SETTINGS = {
    "rateLimit": ("throttlingRateLimit", patches.number),
    "burstLimit": ("throttlingBurstLimit", patches.whole),
}
_STAGE_KINDS: dict[str, patches.Kind] = {
    "/deploymentId": str,
    "/description": str,
    "/variables/*": str,
    "/accessLogSettings/destinationArn": str,
    "/accessLogSettings/format": str,
}
_NOT_SUPPLIED = ("cacheClusterEnabled", "canarySettings", "tracingEnabled", "documentationVersion")


def create_deployment(asked: Asked) -> Document:
    api = asked.api()
    methods = [method for resource in api["_resources"].values() for method in resource["resourceMethods"].values()]
    if not methods:
        raise bad_request("The REST API doesn't contain any methods")
    if not all("methodIntegration" in method for method in methods):
        raise bad_request("No integration defined for method")
    refuse(asked.body, _NOT_SUPPLIED, "a deployment")
    deployment: Document = {
        "id": new_id(),
        "description": asked.body.get("description"),
        "createdDate": int(time.time()),
        "_copy": copy.deepcopy({"resources": api["_resources"], "responses": api["_responses"]}),
    }
    api["_deployments"][deployment["id"]] = deployment
    name = asked.body.get("stageName")
    if name:
        stage = api["_stages"].get(name) or _add_stage(api, name, {})
        stage["deploymentId"] = deployment["id"]
        stage["variables"] |= asked.body.get("variables") or {}
    return shown(deployment)


def read_deployment(asked: Asked) -> Document:
    return shown(asked.deployment())


def read_deployments(asked: Asked) -> Document:
    return page(asked.api()["_deployments"], asked.query)


def update_deployment(asked: Asked) -> Document:
    patches.apply(asked.deployment(), patches.operations(asked.body), {"/description": str})
    return read_deployment(asked)


def delete_deployment(asked: Asked) -> Document:
    api, deployment = asked.api(), asked.deployment()
    if any(stage["deploymentId"] == deployment["id"] for stage in api["_stages"].values()):
        raise bad_request("Active stages pointing to this deployment must be moved or deleted")
    del api["_deployments"][deployment["id"]]
    return {}


def create_stage(asked: Asked) -> Document:
    api, body = asked.api(), asked.body
    refuse(body, _NOT_SUPPLIED, "a stage")
    name = str(body.get("stageName", ""))
    if _NAME.fullmatch(name) is None:
        raise bad_request("Stage name only allows a-zA-Z0-9_")
    if name in api["_stages"]:
        raise conflict("Stage already exists")
    _check_deployment(api, body.get("deploymentId"))
    return shown(_add_stage(api, name, body))


def _add_stage(api: Document, name: str, body: Document) -> Document:
    stage: Document = {
        "stageName": name,
        "deploymentId": body.get("deploymentId"),
        "description": body.get("description"),
        "variables": dict(body.get("variables") or {}),
        "methodSettings": {},
        "tags": dict(body.get("tags") or {}),
        "createdDate": int(time.time()),
    }
    api["_stages"][name] = stage
    return stage


def _check_deployment(api: Document, deployment: Any) -> None:
    if deployment not in api["_deployments"]:
        raise bad_request("Deployment id does not exist")


def read_stage(asked: Asked) -> Document:
    return shown(asked.stage())


def read_stages(asked: Asked) -> Document:
    return {"item": [shown(stage) for stage in asked.api()["_stages"].values()]}


def update_stage(asked: Asked) -> Document:
    stage, operations = asked.stage(), patches.operations(asked.body)
    settings = [each for each in operations if _SETTING.fullmatch(each["path"]) and each["path"] not in _STAGE_KINDS]
    settings = [each for each in settings if not each["path"].startswith(("/variables/", "/accessLogSettings/"))]
    others = [each for each in operations if each not in settings]
    for operation in others:
        if operation["path"] == "/deploymentId":
            _check_deployment(asked.api(), operation.get("value"))
        if operation["path"].startswith("/accessLogSettings/") and not asked.region["account"].get("cloudwatchRoleArn"):
            raise bad_request("CloudWatch Logs role ARN must be set in account settings to enable logging")
    patches.apply(stage, others, _STAGE_KINDS)
    for operation in settings:
        _apply_setting(stage["methodSettings"], operation)
    return shown(stage)


def _apply_setting(settings: Document, operation: dict[str, str]) -> None:
    found = _SETTING.fullmatch(operation["path"])
    assert found is not None
    if operation["op"] == "remove":
        settings.pop(found["of"], None)
    elif found["name"] is None:
        raise bad_request(f"Invalid method setting path: {operation['path']}")
    else:
        name, kind = _SETTINGS[found["name"]]
        settings.setdefault(found["of"], {})[name] = kind(operation.get("value", ""))


def delete_stage(asked: Asked) -> Document:
    """Delete a stage, also from usage plans. (A refusal by AWS because of a plan is not verified.)"""
    api, stage = asked.api(), asked.stage()
    del api["_stages"][stage["stageName"]]
    gone = {"apiId": api["id"], "stage": stage["stageName"]}
    for plan in asked.region["plans"].values():
        plan["apiStages"] = [each for each in plan["apiStages"] if each != gone]
    return {}
