"""Which API a request is for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.addresses import ApiAddress, DomainAddress, Mapped, longest_mapping, parse

SEGMENTS = st.lists(st.text("ab{}%.", min_size=1, max_size=3), max_size=4)


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("127.0.0.1:4566", "/_execute-api/abc", ApiAddress("abc", "/")),
        ("127.0.0.1:4566", "/_execute-api/abc/", ApiAddress("abc", "/")),
        ("127.0.0.1:4566", "/_execute-api/abc/main/query", ApiAddress("abc", "/main/query")),
        ("abc.execute-api.eu-west-1.amazonaws.com", "/main/query", ApiAddress("abc", "/main/query")),
        ("ABC.execute-api.localhost:4566", "", ApiAddress("abc", "/")),
        ("db.example.com:443", "/x", DomainAddress("db.example.com", "/x")),
        ("127.0.0.1:4566", "/bucket/_execute-api/abc", DomainAddress("127.0.0.1", "/bucket/_execute-api/abc")),
        ("", "/", DomainAddress("", "/")),
    ],
)
def test_a_prefix_wins_over_the_host(host: str, path: str, found: object) -> None:
    assert parse(host, path) == found


@given(SEGMENTS, st.frozensets(SEGMENTS.map("/".join)))
def test_the_longest_key_that_a_path_begins_with_is_its_mapping(segments: list[str], keys: frozenset[str]) -> None:
    path = "/" + "/".join(segments)
    beginning = [key for key in keys if key == "" or f"{path}/".startswith(f"/{key}/")]
    found = longest_mapping(path, keys)
    if not beginning:
        assert found is None
        return
    key = max(beginning, key=len)
    rest = path.removeprefix(f"/{key}") if key else path
    assert found == Mapped(key, rest or "/")
