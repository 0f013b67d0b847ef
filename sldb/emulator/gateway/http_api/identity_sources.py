"""Identity sources: the values of a request that an authorizer goes by. Pure.

$request.header.Authorization    $request.querystring.token    $context.routeKey    $stageVariables.name
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from sldb.emulator.gateway.http_api.payload import Routed


def values(sources: tuple[str, ...], routed: Routed) -> tuple[str, ...] | None:
    """Return the value of each source; None if one is absent or empty."""
    found = [_value(source, routed) for source in sources]
    return None if not all(found) else tuple(each for each in found if each)


def _value(source: str, routed: Routed) -> str | None:
    place, _, name = source.removeprefix("$").partition(".")
    if place == "request":
        where, _, name = name.partition(".")
        if where == "header":
            return routed.request.header(name.lower())
        if where == "querystring":
            pairs = parse_qsl(routed.request.query, keep_blank_values=True)
            return ",".join(value for each, value in pairs if each == name) or None
    if place == "stageVariables":
        return routed.stage_variables.get(name)
    if place == "context":
        return _context(name, routed)
    raise ValueError(f"the identity source {source}")


def _context(name: str, routed: Routed) -> str | None:
    known = {
        "routeKey": routed.route_key,
        "httpMethod": routed.request.method,
        "path": routed.request.path,
        "stage": routed.stage,
        "apiId": routed.api_id,
        "domainName": routed.request.domain_name,
        "identity.sourceIp": routed.request.source_ip,
    }
    if name not in known:
        raise ValueError(f"the identity source $context.{name}")
    return known[name]
