"""The calls for usage plans and the keys in them. The words of errors are not verified; their codes are the API's."""

from __future__ import annotations

from collections.abc import Mapping

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.gateway.rest_api.control import patches
from sldb.emulator.gateway.rest_api.documents import (
    Asked,
    Document,
    bad_request,
    conflict,
    found,
    new_id,
    not_found,
    page,
    shown,
)

PERIODS = ("DAY", "WEEK", "MONTH")
_KINDS: dict[str, patches.Kind] = {
    "/name": str,
    "/description": str,
    "/throttle/rateLimit": patches.number,
    "/throttle/burstLimit": patches.whole,
    "/quota/limit": patches.whole,
    "/quota/period": str,
    "/quota/offset": patches.whole,
}


def create(asked: Asked) -> Document:
    if not asked.body.get("name"):
        raise bad_request("Usage Plan name must be specified")
    plan: Document = {
        "id": new_id(),
        **{
            name: asked.body[name]
            for name in ("name", "description", "throttle", "quota", "tags")
            if asked.body.get(name)
        },
        "apiStages": [],
    }
    for stage in asked.body.get("apiStages") or []:
        _add_stage(asked, plan, stage)
    _check(plan)
    asked.region["plans"][plan["id"]] = plan
    return shown(plan)


def read(asked: Asked) -> Document:
    return shown(asked.plan())


def read_all(asked: Asked) -> Document:
    """Return all plans, or those with the key of `keyId`."""
    key, plans = asked.query.get("keyId"), asked.region["plans"]
    if key is not None:
        plans = {name: plan for name, plan in plans.items() if key in keys_of(asked.region, name)}
    return page(plans, asked.query)


def update(asked: Asked) -> Document:
    plan, operations = asked.plan(), patches.operations(asked.body)
    wanted = {**plan, "throttle": dict(plan.get("throttle") or {}), "quota": dict(plan.get("quota") or {})}
    wanted["apiStages"] = list(plan["apiStages"])
    for operation in operations:
        if operation["path"] == "/apiStages":
            _change_stage(asked, wanted, operation)
    patches.apply(wanted, [each for each in operations if each["path"] != "/apiStages"], _KINDS)
    _check(wanted)
    plan.update(wanted)
    for name in ("throttle", "quota"):
        if not wanted.get(name):
            plan.pop(name, None)
    return shown(plan)


def delete(asked: Asked) -> Document:
    plan = asked.plan()
    if plan["apiStages"]:
        raise bad_request(f"Cannot delete Usage Plan {plan['id']} because it is associated with API stages")
    del asked.region["plans"][plan["id"]]
    asked.region["planKeys"].pop(plan["id"], None)
    return {}


def _check(plan: Mapping[str, Document]) -> None:
    quota, throttle = plan.get("quota") or {}, plan.get("throttle") or {}
    if quota and quota.get("period") not in PERIODS:
        raise bad_request(f"Quota period must be one of {', '.join(PERIODS)}")
    if quota and int(quota.get("limit", 0)) < 1:
        raise bad_request("Quota limit must be greater than 0")
    if quota.get("offset"):
        raise NotEmulated("the offset of a quota")
    if throttle and ("rateLimit" not in throttle or "burstLimit" not in throttle):
        raise bad_request("Throttle needs rateLimit and burstLimit")


def _change_stage(asked: Asked, plan: Document, operation: Mapping[str, str]) -> None:
    api, _, name = operation.get("value", "").partition(":")
    stage = {"apiId": api, "stage": name}
    if operation["op"] == "add":
        _add_stage(asked, plan, stage)
    elif stage in plan["apiStages"]:
        plan["apiStages"].remove(stage)
    else:
        raise not_found(f"The usage plan has no API stage {api}:{name}")


def _add_stage(asked: Asked, plan: Document, stage: Document) -> None:
    if stage.get("throttle"):
        raise NotEmulated("the throttling of single methods by a usage plan")
    api = found(asked.region["apis"], stage["apiId"], "Invalid API identifier specified {}")
    if stage["stage"] not in api["_stages"]:
        raise not_found(f"API Stage not found: {stage['apiId']}:{stage['stage']}")
    if stage in plan["apiStages"]:
        raise conflict(f"API Stage {stage['apiId']}:{stage['stage']} is in the usage plan already")
    plan["apiStages"].append({"apiId": stage["apiId"], "stage": stage["stage"]})


def keys_of(region: Document, plan: str) -> Document:
    keys: Document = region["planKeys"].get(plan, {})
    return keys


def create_key(asked: Asked) -> Document:
    plan, name = asked.plan(), str(asked.body.get("keyId"))
    if asked.body.get("keyType") != "API_KEY":
        raise bad_request(f"Invalid key type: {asked.body.get('keyType')}")
    found(asked.region["keys"], name, "Invalid API Key identifier specified")
    for other in asked.region["plans"].values():
        both = other is plan or any(stage in other["apiStages"] for stage in plan["apiStages"])
        if both and name in keys_of(asked.region, other["id"]):
            raise conflict(f"API Key {name} is in the usage plan {other['id']} already, for the same API stage")
    asked.region["planKeys"].setdefault(plan["id"], {})[name] = {"id": name, "type": "API_KEY"}
    return _described(asked.region, name)


def read_key(asked: Asked) -> Document:
    found(keys_of(asked.region, asked.plan()["id"]), asked.ids["key"], "Invalid Usage Plan Key identifier specified")
    return _described(asked.region, asked.ids["key"])


def read_keys(asked: Asked) -> Document:
    """Return the keys of a plan, or those with names that begin with `name`."""
    keys = {name: _described(asked.region, name) for name in keys_of(asked.region, asked.plan()["id"])}
    start = asked.query.get("name", "")
    return page({name: key for name, key in keys.items() if str(key.get("name", "")).startswith(start)}, asked.query)


def delete_key(asked: Asked) -> Document:
    read_key(asked)
    del asked.region["planKeys"][asked.ids["plan"]][asked.ids["key"]]
    return {}


def _described(region: Document, name: str) -> Document:
    """Return a key of a plan as the answer shows it. AWS's have the key's value, too; whether for all callers is not
    verified, so no client should rely on it, and it is left out here."""
    return {"id": name, "type": "API_KEY", "name": region["keys"][name].get("name")}
