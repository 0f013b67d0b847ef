"""The calls for tags: of APIs, stages, usage plans and API keys, by their ARN."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

from sldb.emulator.gateway.rest_api.documents import Asked, Document, bad_request


def read(asked: Asked) -> Document:
    return {"tags": dict(_tagged(asked).get("tags") or {})}


def add(asked: Asked) -> Document:
    document = _tagged(asked)
    document["tags"] = {**(document.get("tags") or {}), **(asked.body.get("tags") or {})}
    return {}


def remove(asked: Asked) -> Document:
    """Remove tags; the query has a key for each, in a list."""
    document, keys = _tagged(asked), asked.query.get("tagKeys", "").split("\n")
    document["tags"] = {name: value for name, value in (document.get("tags") or {}).items() if name not in keys}
    return {}


def _tagged(asked: Asked) -> Document:
    path = unquote(asked.ids["arn"]).partition("::")[2]
    match path.split("/")[1:]:
        case ["restapis", api]:
            return replace(asked, ids={"api": api}).api()
        case ["restapis", api, "stages", stage]:
            return replace(asked, ids={"api": api, "stage": stage}).stage()
        case ["usageplans", plan]:
            return replace(asked, ids={"plan": plan}).plan()
        case ["apikeys", key]:
            return replace(asked, ids={"key": key}).key()
    raise bad_request(f"Invalid resource ARN: {asked.ids['arn']}")
