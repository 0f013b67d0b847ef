"""CORS: preflights, and the headers of other responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.http_api import cors
from sldb.emulator.gateway.http_api.apis import Cors
from sldb.emulator.gateway.messages import Response, joined
from tests.fakes.aws.gateway import request

CORS = Cors(("https://a.example",), ("POST", "GET"), ("authorization",), ("x-sldb-txid",), False, 300)
ASKED = (("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST"))


def test_a_preflight_of_an_allowed_origin() -> None:
    found = cors.preflight(CORS, request("OPTIONS", "/main/query", headers=ASKED))
    assert found is not None
    assert (found.status, found.body) == (204, b"")
    assert dict(found.headers) == {
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-methods": "POST,GET",
        "access-control-allow-headers": "authorization",
        "access-control-max-age": "300",
        "vary": "origin",
    }


def test_a_preflight_of_another_origin_gets_no_headers() -> None:
    headers = (("Origin", "https://evil.example"), ASKED[1])
    assert cors.preflight(CORS, request("OPTIONS", headers=headers)) == Response(204)


@pytest.mark.parametrize(
    ("method", "headers"), [("POST", ASKED), ("OPTIONS", ASKED[:1]), ("OPTIONS", ASKED[1:]), ("OPTIONS", ())]
)
def test_what_is_no_preflight(method: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert cors.preflight(CORS, request(method, headers=headers)) is None


def test_the_functions_own_headers_do_not_count() -> None:
    reply = Response(200, (("Access-Control-Allow-Origin", "*"), ("x-sldb-txid", "4")), b"{}")
    assert dict(cors.with_headers(CORS, request(), reply).headers) == {"x-sldb-txid": "4"}
    found = dict(cors.with_headers(CORS, request(headers=ASKED[:1]), reply).headers)
    assert found == {
        "x-sldb-txid": "4",
        "access-control-allow-origin": "https://a.example",
        "access-control-expose-headers": "x-sldb-txid",
        "vary": "origin",
    }


def test_all_origins_and_credentials() -> None:
    found = joined(cors.with_headers(Cors(("*",)), request(headers=ASKED[:1]), Response(200)).headers)
    assert found == {"access-control-allow-origin": "*"}
    with_credentials = Cors(("https://*.example",), allow_credentials=True)
    found = joined(cors.with_headers(with_credentials, request(headers=ASKED[:1]), Response(200)).headers)
    assert found["access-control-allow-credentials"] == "true"
    assert found["access-control-allow-origin"] == "https://a.example"


@given(st.text("htps:/.abc", max_size=20))
def test_an_origin_that_is_not_listed_is_never_allowed(origin: str) -> None:
    found = joined(cors.with_headers(CORS, request(headers=(("origin", origin),)), Response(200)).headers)
    assert found.get("access-control-allow-origin") in (None, "https://a.example")
