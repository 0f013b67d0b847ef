"""The address of a request: which API it is for, by path prefix or host. Pure.

/_execute-api/{api id}[/…]                    the emulator's own, for clients without DNS of their own
Host: {api id}.execute-api.{region}.{suffix}  as AWS's
Host: any other                               a custom domain, if there is one of that name
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "/_execute-api/"
_HOST = re.compile(r"([a-z0-9]+)\.execute-api(\..*)?")


@dataclass(frozen=True, slots=True)
class ApiAddress:
    api_id: str
    path: str  # "/" and the rest


@dataclass(frozen=True, slots=True)
class DomainAddress:
    domain: str
    path: str


def parse(host: str, path: str) -> ApiAddress | DomainAddress:
    """Return the address in a request's Host header (port allowed) and decoded path."""
    if path.startswith(PREFIX):
        api_id, _, rest = path.removeprefix(PREFIX).partition("/")
        return ApiAddress(api_id, "/" + rest)
    name = host_name(host)
    by_host = _HOST.fullmatch(name)
    return ApiAddress(by_host[1], path or "/") if by_host else DomainAddress(name, path or "/")


def host_name(host: str) -> str:
    """Return a Host header without its port, in lower case."""
    return re.sub(r":\d*$", "", host).lower().rstrip(".")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A path of a custom domain: the key of the mapping that serves it, and the path below that."""

    key: str
    path: str


def longest_mapping(path: str, keys: frozenset[str]) -> Mapped | None:
    """Return the mapping with the longest key that the path begins with; "" is the key of all paths."""
    segments = path.lstrip("/").split("/")
    for length in range(len(segments), -1, -1):
        key = "/".join(segments[:length])
        if key in keys:
            return Mapped(key, "/" + "/".join(segments[length:]))
    return None
