"""Identity sources: the values of a request that an authorizer goes by. Pure.

$request.header.Authorization    $request.querystring.token    $context.routeKey    $stageVariables.name
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from sldb.emulator.gateway.http_api.payload import Routed

_SOURCE = re.compile(
    r"\$request\.header\.(?P<header>[^.\s]+)|\$request\.querystring\.(?P<query>\S+)"
    r"|\$stageVariables\.(?P<variable>\w+)|\$context\.(?P<context>\S+)"
)

_VALUES: Mapping[str, Callable[[Routed], str]] = {
    "routeKey": lambda routed: routed.route_key,
    "httpMethod": lambda routed: routed.request.method,
    "path": lambda routed: routed.request.path,
    "stage": lambda routed: routed.stage,
    "apiId": lambda routed: routed.api_id,
    "domainName": lambda routed: routed.request.domain_name,
    "identity.sourceIp": lambda routed: routed.request.source_ip,
}


def check(sources: tuple[str, ...]) -> None:
    """Raise ValueError for what is no identity source."""
    for source in sources:
        found = _SOURCE.fullmatch(source)
        if found is None or (found["context"] is not None and found["context"] not in _VALUES):
            raise ValueError(f"{source} is no identity source")


def values(sources: tuple[str, ...], routed: Routed) -> tuple[str, ...] | None:
    """Return the value of each source; None if one is absent or empty. The sources have been checked."""
    found = [_value(source, routed) for source in sources]
    return None if not all(found) else tuple(each for each in found if each)


def _value(source: str, routed: Routed) -> str | None:
    found = _SOURCE.fullmatch(source)
    assert found is not None
    if found["header"] is not None:
        return routed.request.header(found["header"].lower())
    if found["query"] is not None:
        pairs = parse_qsl(routed.request.query, keep_blank_values=True)
        return ",".join(value for name, value in pairs if name == found["query"])
    if found["variable"] is not None:
        return routed.stage_variables.get(found["variable"])
    return _VALUES[found["context"]](routed)
