"""Route keys of HTTP APIs, and the choice among those that match. Pure.

    POST /main/query    GET /{database}/read    ANY /{proxy+}    $default

The most specific route wins: one whose path matches as a whole, then one with a greedy variable, then $default; a
route with the method before ANY (developer guide, "Create routes for HTTP APIs"). A greedy variable takes at least one
character: `/{proxy+}` is not the route of `/`. A static segment wins over a variable, from left to right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT = "$default"
ANY = "ANY"
_VARIABLE = re.compile(r"\{(?P<name>[^{}+/]+)(?P<greedy>\+?)\}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", ANY})


@dataclass(frozen=True, slots=True)
class RouteKey:
    text: str
    method: str  # "" of $default
    segments: tuple[str, ...]

    @property
    def is_default(self) -> bool:
        return self.text == DEFAULT

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)


@dataclass(frozen=True, slots=True)
class Match:
    key: RouteKey
    parameters: tuple[tuple[str, str], ...]  # the variables of the path


def parse(text: str) -> RouteKey:
    """Return a route key. Raises ValueError for what API Gateway does not take."""
    if text == DEFAULT:
        return RouteKey(text, "", ())
    method, _, path = text.partition(" ")
    if method not in _METHODS or not path.startswith("/"):
        raise ValueError(f"the route key {text} is neither $default nor a method and a path")
    segments = tuple(path[1:].split("/"))
    for index, segment in enumerate(segments):
        found = _VARIABLE.fullmatch(segment)
        if found is None and re.search(r"[{}]", segment):
            raise ValueError(f"the route key {text}: {segment} is neither text nor a variable")
        if found is not None and found["greedy"] and index + 1 < len(segments):
            raise ValueError(f"the route key {text}: a greedy variable is the last segment")
    return RouteKey(text, method, segments)


def choose(keys: Iterable[RouteKey], method: str, path: str) -> Match | None:
    """Return the match of the most specific route for a request; None if there is none."""
    matches = [found for key in keys if (found := _match(key, method, path)) is not None]
    return min(matches, key=lambda found: _rank(found.key), default=None)


def _match(key: RouteKey, method: str, path: str) -> Match | None:
    if key.is_default:
        return Match(key, ())
    if key.method not in (method, ANY):
        return None
    parts = path[1:].split("/")
    parameters: list[tuple[str, str]] = []
    for index, segment in enumerate(key.segments):
        if index >= len(parts):
            return None
        variable = _VARIABLE.fullmatch(segment)
        if variable is not None and variable["greedy"]:
            rest = "/".join(parts[index:])
            return Match(key, (*parameters, (variable["name"], rest))) if rest else None
        if variable is not None and parts[index]:
            parameters.append((variable["name"], parts[index]))
        elif variable is not None or segment != parts[index]:
            return None
    return Match(key, tuple(parameters)) if len(parts) == len(key.segments) else None


def _rank(key: RouteKey) -> tuple[int, tuple[int, ...], int]:
    """Return what orders routes that match the same request; the least wins."""
    kinds = tuple(_kind(segment) for segment in key.segments)
    return 2 if key.is_default else int(2 in kinds), kinds, int(key.method == ANY)


def _kind(segment: str) -> int:
    found = _VARIABLE.fullmatch(segment)
    return 0 if found is None else 2 if found["greedy"] else 1
