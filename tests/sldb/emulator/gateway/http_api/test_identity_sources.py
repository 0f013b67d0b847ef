"""The values that authorizers go by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.http_api import identity_sources
from sldb.emulator.gateway.http_api.payload import Routed
from sldb.emulator.gateway.messages import joined
from tests.fakes.aws.gateway import request

NAMES = st.sampled_from(["A", "a", "b", "B"])
VALUES = st.text("xy", max_size=2)


def values(*sources: str) -> tuple[str, ...] | None:
    what = request("GET", "/p", headers=(("X-A", "1"), ("x-a", "2"), ("Empty", "")), query="t=1&t=2&e=")
    identity_sources.check(sources)
    return identity_sources.values(sources, Routed(what, "abc", "$default", {"v": "variable"}, "GET /{p}", {}))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$request.header.X-A", "1,2"),
        ("$request.header.x-a", "1,2"),
        ("$request.querystring.t", "1,2"),
        ("$stageVariables.v", "variable"),
        ("$context.routeKey", "GET /{p}"),
        ("$context.httpMethod", "GET"),
        ("$context.identity.sourceIp", "192.0.2.7"),
    ],
)
def test_the_sources(source: str, value: str) -> None:
    assert values(source) == (value,)


@pytest.mark.parametrize(
    "source", ["$request.header.none", "$request.header.Empty", "$request.querystring.e", "$stageVariables.none"]
)
def test_an_absent_or_empty_one_makes_all_of_them_void(source: str) -> None:
    assert values(source) is None
    assert values("$context.routeKey", source) is None


@pytest.mark.parametrize("source", ["", "x", "$request.body", "$request.header.", "$context.none", "request.header.a"])
def test_what_is_no_source(source: str) -> None:
    with pytest.raises(ValueError, match="is no identity source"):
        identity_sources.check((source,))


@given(st.lists(st.tuples(NAMES, VALUES)))
def test_repeated_headers_are_one_whatever_their_case(pairs: list[tuple[str, str]]) -> None:
    what = request(headers=tuple(pairs))
    found = joined(tuple(pairs))
    assert set(found) == {name.lower() for name, _ in pairs}
    for name in ("a", "b"):
        sent = [value for each, value in pairs if each.lower() == name]
        assert found.get(name) == what.header(name) == (",".join(sent) if sent else None)
