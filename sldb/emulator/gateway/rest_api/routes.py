"""The resource of a path. Pure.

A fixed part is preferred to a variable, and a variable to a greedy one, at each part of the path; if the preferred one
leads nowhere, the next is tried. A greedy variable takes the rest of the path, at least one part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Match:
    resource: Mapping[str, Any]
    method: Mapping[str, Any]
    parameters: dict[str, str] = field(default_factory=dict)  # of the path


def choose(resources: Mapping[str, Mapping[str, Any]], method: str, path: str) -> Match | None:
    """Return the resource and its method for a decoded path; None if the API has none."""
    root = next(each for each in resources.values() if "parentId" not in each)
    parts = [] if path in ("", "/") else path[1:].split("/")
    for resource, parameters in _matches(resources, root, parts):
        methods = resource["resourceMethods"]
        found = methods.get(method) or methods.get("ANY")
        # The best resource decides; that another one has the method does not help.
        return None if found is None else Match(resource, found, parameters)
    return None


def _matches(
    resources: Mapping[str, Mapping[str, Any]], resource: Mapping[str, Any], parts: list[str]
) -> Iterator[tuple[Mapping[str, Any], dict[str, str]]]:
    if not parts:
        if resource["resourceMethods"] or "parentId" not in resource:
            yield resource, {}
        return
    children = [each for each in resources.values() if each.get("parentId") == resource["id"]]
    for child in sorted(children, key=lambda each: _rank(each["pathPart"])):
        part = child["pathPart"]
        if part.endswith("+}"):
            yield child, {part[1:-2]: "/".join(parts)}
        elif part.startswith("{"):
            for found, parameters in _matches(resources, child, parts[1:]):
                yield found, {part[1:-1]: parts[0], **parameters}
        elif part == parts[0]:
            yield from _matches(resources, child, parts[1:])


def _rank(part: str) -> int:
    return 2 if part.endswith("+}") else 1 if part.startswith("{") else 0
