"""The calls for API keys. A key's value is in the answer to its creation, and in others on demand."""

from __future__ import annotations

import secrets
import string
import time

from sldb.emulator.gateway.rest_api.control import patches
from sldb.emulator.gateway.rest_api.control.apis import refuse
from sldb.emulator.gateway.rest_api.documents import Asked, Document, bad_request, conflict, new_id, page, shown

_MIN_VALUE, _MAX_VALUE = 20, 128  # characters
_CHARACTERS = string.ascii_letters + string.digits


def create(asked: Asked) -> Document:
    body = asked.body
    refuse(body, ("stageKeys", "generateDistinctId"), "an API key")
    value = body.get("value") or "".join(secrets.choice(_CHARACTERS) for _ in range(40))
    if not _MIN_VALUE <= len(value) <= _MAX_VALUE:
        raise bad_request(f"API Key value should be at least {_MIN_VALUE} characters")
    if any(key["_value"] == value for key in asked.region["keys"].values()):
        raise conflict("API Key already exists")
    key: Document = {
        "id": new_id(),
        "_value": value,
        **{name: body[name] for name in ("name", "description", "customerId", "tags") if body.get(name)},
        "enabled": bool(body.get("enabled")),
        "createdDate": int(time.time()),
        "lastUpdatedDate": int(time.time()),
        "stageKeys": [],
    }
    asked.region["keys"][key["id"]] = key
    return _with_value(key)


def read(asked: Asked) -> Document:
    return _with_value(asked.key()) if asked.query.get("includeValue") == "true" else shown(asked.key())


def read_all(asked: Asked) -> Document:
    """Return the keys, or those with names that begin with `name`."""
    start = asked.query.get("name", "")
    keys = {name: key for name, key in asked.region["keys"].items() if str(key.get("name", "")).startswith(start)}
    if asked.query.get("includeValues") == "true":
        keys = {name: _with_value(key) for name, key in keys.items()}
    return page(keys, asked.query)


def update(asked: Asked) -> Document:
    key = asked.key()
    kinds: dict[str, patches.Kind] = {"/name": str, "/description": str, "/customerId": str, "/enabled": patches.truth}
    patches.apply(key, patches.operations(asked.body), kinds)
    key["lastUpdatedDate"] = int(time.time())
    return shown(key)


def delete(asked: Asked) -> Document:
    """Delete a key, and take it out of its usage plans."""
    key = asked.key()
    del asked.region["keys"][key["id"]]
    for keys in asked.region["planKeys"].values():
        keys.pop(key["id"], None)
    return {}


def _with_value(key: Document) -> Document:
    return {**shown(key), "value": key["_value"]}
