"""Patch operations, as the Update calls of API Gateway take them: JSON Patch with add, replace and remove. Pure.

A path is made of names behind slashes; in a name ~1 stands for a slash, and ~0 for a tilde. Values are text, for the
kind of each member to convert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sldb.emulator.gateway.rest_api.documents import Document, bad_request

Kind: TypeAlias = Callable[[str], Any]


def truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise bad_request(f"Invalid boolean value: {text}")
    return text.lower() == "true"


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise bad_request(f"Invalid number: {text}") from None


def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad_request(f"Invalid integer: {text}") from None


def operations(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the operations in the body of a call. Raises AwsError."""
    found = body.get("patchOperations") or []
    for each in found:
        if each.get("op") not in ("add", "replace", "remove") or not str(each.get("path", "")).startswith("/"):
            raise bad_request(f"Invalid patch operation specified: {each.get('op')} {each.get('path')}")
    return list(found)


def names_in(path: str) -> list[str]:
    return [name.replace("~1", "/").replace("~0", "~") for name in path[1:].split("/")]


def apply(document: Document, patch: Sequence[Mapping[str, str]], kinds: Mapping[str, Kind]) -> None:
    """Change a document. `kinds` has the permitted paths: * stands for any name, and a path above others may be
    removed. Raises AwsError for any other path, and changes nothing then."""
    for operation in patch:
        _kind(operation, kinds)
    for operation in patch:
        kind, names = _kind(operation, kinds), names_in(operation["path"])
        owner = document
        for name in names[:-1]:
            owner = owner.setdefault(name, {})
        if operation["op"] == "remove":
            owner.pop(names[-1], None)
        else:
            assert kind is not None
            owner[names[-1]] = kind(operation.get("value", ""))


def _kind(operation: Mapping[str, str], kinds: Mapping[str, Kind]) -> Kind | None:
    names = names_in(operation["path"])
    for path, kind in kinds.items():
        allowed = path[1:].split("/")
        if len(allowed) == len(names) and all(want in ("*", name) for want, name in zip(allowed, names, strict=True)):
            return kind
        if operation["op"] == "remove" and allowed[: len(names)] == names:
            return None
    raise bad_request(
        f"Invalid patch path '{operation['path']}' specified for op '{operation['op']}'. "
        f"Must be one of: [{', '.join(kinds)}]"
    )
