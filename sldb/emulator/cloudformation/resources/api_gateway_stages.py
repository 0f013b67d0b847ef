"""AWS::ApiGateway::Stage, UsagePlan, UsagePlanKey and ApiKey."""

from __future__ import annotations

from typing import Any

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.cloudformation.resources.api_gateway import call, find, remove, replacing, retag, tags_of
from sldb.emulator.cloudformation.resources.base import Existing, New, Properties, ResourceType, with_actual

_SETTINGS = {"ThrottlingRateLimit": "rateLimit", "ThrottlingBurstLimit": "burstLimit"}
_THROTTLE = {"RateLimit": "rateLimit", "BurstLimit": "burstLimit"}
_QUOTA = {"Limit": "limit", "Period": "period"}


class Stage(ResourceType):
    properties = frozenset(
        {
            *("RestApiId", "StageName", "DeploymentId", "Description", "Variables", "MethodSettings"),
            *("AccessLogSetting", "Tags"),
        }
    )
    replaces = frozenset({"RestApiId", "StageName"})

    def create(self, new: New) -> None:
        wanted = new.properties
        call(
            new.cloud,
            "CreateStage",
            restApiId=wanted["RestApiId"],
            stageName=wanted["StageName"],
            deploymentId=wanted["DeploymentId"],
            description=wanted.get("Description", ""),
            variables=wanted.get("Variables", {}),
            tags=tags_of(wanted),
        )
        new.made(wanted["StageName"])
        made = {
            name: wanted[name]
            for name in ("RestApiId", "DeploymentId", "Description", "Variables", "Tags")
            if name in wanted
        }
        self.update(Existing(new.cloud, wanted["StageName"], made), wanted)

    def update(self, it: Existing, wanted: Properties) -> None:
        paths = {"DeploymentId": "/deploymentId", "Description": "/description"}
        patch = [
            *replacing(it.properties, wanted, paths),
            *_variables(it.properties.get("Variables", {}), wanted.get("Variables", {})),
            *_settings(it.properties.get("MethodSettings", []), wanted.get("MethodSettings", [])),
            *_access_log(it.properties.get("AccessLogSetting"), wanted.get("AccessLogSetting")),
        ]
        if patch:
            call(it.cloud, "UpdateStage", **self._where(it), patchOperations=patch)
        retag(it, wanted, f"/restapis/{wanted['RestApiId']}/stages/{it.physical_id}")

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteStage", **self._where(it))

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetStage", **self._where(it))
        return found and with_actual(
            it.properties, {"DeploymentId": found["deploymentId"], "Variables": found.get("variables", {})}
        )

    def _where(self, it: Existing) -> dict[str, str]:
        return {"restApiId": it.properties["RestApiId"], "stageName": it.physical_id}


def _variables(old: Properties, new: Properties) -> list[dict[str, str]]:
    gone = [{"op": "remove", "path": f"/variables/{name}"} for name in old if name not in new]
    set_ = [
        {"op": "replace", "path": f"/variables/{name}", "value": str(value)}
        for name, value in new.items()
        if old.get(name) != value
    ]
    return gone + set_


def _settings(old: list[Properties], new: list[Properties]) -> list[dict[str, str]]:
    if old == new:
        return []
    patch = [{"op": "remove", "path": _method_path(setting)} for setting in old if _path_is_gone(setting, new)]
    for setting in new:
        for name, value in setting.items():
            if name in _SETTINGS:
                path = f"{_method_path(setting)}/throttling/{_SETTINGS[name]}"
                patch.append({"op": "replace", "path": path, "value": str(value)})
            elif name not in ("ResourcePath", "HttpMethod"):
                raise NotEmulated(f"{name} of a stage's method settings")
    return patch


def _path_is_gone(setting: Properties, new: list[Properties]) -> bool:
    return _method_path(setting) not in [_method_path(each) for each in new]


def _method_path(setting: Properties) -> str:
    """Return the path of the settings of a method. In a template /* are all resources; slashes are written ~1."""
    resource = setting["ResourcePath"]
    return f"/{'*' if resource == '/*' else resource.removeprefix('/') or '~1'}/{setting['HttpMethod']}"


def _access_log(old: Properties | None, new: Properties | None) -> list[dict[str, str]]:
    if old == new:
        return []
    if not new:
        return [{"op": "remove", "path": "/accessLogSettings"}]
    names = {"DestinationArn": "destinationArn", "Format": "format"}
    return [{"op": "replace", "path": f"/accessLogSettings/{names[name]}", "value": new[name]} for name in new]


class UsagePlan(ResourceType):
    properties = frozenset({"UsagePlanName", "Description", "ApiStages", "Throttle", "Quota", "Tags"})
    replaces = frozenset[str]()

    def create(self, new: New) -> None:
        wanted = new.properties
        optional = {name: wanted[key] for key, name in (("Description", "description"),) if wanted.get(key)}
        for key, names in (("Throttle", _THROTTLE), ("Quota", _QUOTA)):
            if wanted.get(key):
                optional[key.lower()] = _members(wanted[key], names, key)
        made = call(
            new.cloud,
            "CreateUsagePlan",
            name=wanted.get("UsagePlanName") or new.name(),
            apiStages=[_stage(each) for each in wanted.get("ApiStages", [])],
            tags=tags_of(wanted),
            **optional,
        )
        new.made(made["id"])

    def update(self, it: Existing, wanted: Properties) -> None:
        paths = {"UsagePlanName": "/name", "Description": "/description"}
        patch = replacing(it.properties, wanted, paths)
        old_stages = [_stage(each) for each in it.properties.get("ApiStages", [])]
        stages = [_stage(each) for each in wanted.get("ApiStages", [])]
        patch += [_stage_patch("remove", each) for each in old_stages if each not in stages]
        patch += [_stage_patch("add", each) for each in stages if each not in old_stages]
        for key, names in (("Throttle", _THROTTLE), ("Quota", _QUOTA)):
            patch += _limits(it.properties.get(key), wanted.get(key), key, names)
        if patch:
            call(it.cloud, "UpdateUsagePlan", usagePlanId=it.physical_id, patchOperations=patch)
        retag(it, wanted, f"/usageplans/{it.physical_id}")

    def delete(self, it: Existing) -> None:
        found = find(it.cloud, "GetUsagePlan", usagePlanId=it.physical_id)
        if found is None:
            return
        patch = [_stage_patch("remove", stage) for stage in found.get("apiStages", [])]
        if patch:  # a plan with stages cannot be deleted
            call(it.cloud, "UpdateUsagePlan", usagePlanId=it.physical_id, patchOperations=patch)
        remove(it.cloud, "DeleteUsagePlan", usagePlanId=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetUsagePlan", usagePlanId=it.physical_id)
        if found is None:
            return None
        stages = [{"ApiId": each["apiId"], "Stage": each["stage"]} for each in found.get("apiStages", [])]
        limits = {
            key: _actual(it.properties.get(key, {}), found.get(key.lower(), {}), names)
            for key, names in (("Throttle", _THROTTLE), ("Quota", _QUOTA))
        }
        return with_actual(it.properties, {"ApiStages": stages, **limits})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Id": it.physical_id}


def _stage(stage: Properties) -> dict[str, str]:
    if stage.get("Throttle"):
        raise NotEmulated("Throttle of a usage plan's stage")
    return {"apiId": stage["ApiId"], "stage": stage["Stage"]}


def _stage_patch(verb: str, stage: Properties) -> dict[str, str]:
    return {"op": verb, "path": "/apiStages", "value": f"{stage['apiId']}:{stage['stage']}"}


def _members(given: Properties, names: dict[str, str], what: str) -> dict[str, Any]:
    if unknown := sorted(set(given) - set(names)):
        raise NotEmulated(f"{unknown[0]} of a usage plan's {what}")
    return {names[name]: value for name, value in given.items()}


def _limits(old: Properties | None, new: Properties | None, key: str, names: dict[str, str]) -> list[dict[str, str]]:
    if old == new:
        return []
    if not new:
        return [{"op": "remove", "path": f"/{key.lower()}"}]
    members = _members(new, names, key)
    return [{"op": "replace", "path": f"/{key.lower()}/{name}", "value": str(value)} for name, value in members.items()]


def _actual(given: Properties, found: Properties, names: dict[str, str]) -> Properties:
    """Return the actual members, in the words of the template if they are equal."""
    same = {
        name: value
        for name, value in given.items()
        if name in names and names[name] in found and _same(value, found[names[name]])
    }
    return {name: same.get(name, found.get(names[name])) for name in given}


def _same(given: Any, found: Any) -> bool:
    return str(given) == str(found) or (isinstance(found, float) and float(given) == found)


class UsagePlanKey(ResourceType):
    properties = frozenset({"KeyId", "KeyType", "UsagePlanId"})
    replaces = properties

    def create(self, new: New) -> None:
        wanted = new.properties
        plan, key = wanted["UsagePlanId"], wanted["KeyId"]
        call(new.cloud, "CreateUsagePlanKey", usagePlanId=plan, keyId=key, keyType=wanted["KeyType"])
        new.made(f"{key}:{plan}")

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteUsagePlanKey", **self._where(it))

    def actual(self, it: Existing) -> Properties | None:
        return find(it.cloud, "GetUsagePlanKey", **self._where(it)) and it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Id": it.physical_id}

    def _where(self, it: Existing) -> dict[str, str]:
        return {"usagePlanId": it.properties["UsagePlanId"], "keyId": it.properties["KeyId"]}


class ApiKey(ResourceType):
    properties = frozenset({"Name", "Description", "Enabled", "Value", "Tags"})
    replaces = frozenset({"Name", "Value"})

    def create(self, new: New) -> None:
        wanted = new.properties
        optional = {
            name: wanted[key]
            for key, name in (("Description", "description"), ("Value", "value"), ("Enabled", "enabled"))
            if key in wanted
        }
        name = wanted.get("Name") or new.name()
        new.made(call(new.cloud, "CreateApiKey", name=name, tags=tags_of(wanted), **optional)["id"])

    def update(self, it: Existing, wanted: Properties) -> None:
        default = {"Enabled": False}
        paths = {"Description": "/description", "Enabled": "/enabled"}
        patch = replacing({**default, **it.properties}, {**default, **wanted}, paths)
        if patch:
            call(it.cloud, "UpdateApiKey", apiKey=it.physical_id, patchOperations=patch)
        retag(it, wanted, f"/apikeys/{it.physical_id}")

    def delete(self, it: Existing) -> None:
        remove(it.cloud, "DeleteApiKey", apiKey=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        found = find(it.cloud, "GetApiKey", apiKey=it.physical_id)
        return found and with_actual(it.properties, {"Enabled": str(found["enabled"]).lower()})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"APIKeyId": it.physical_id}
