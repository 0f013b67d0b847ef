"""API Gateway's events as HTTP requests."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lambda_handlers.caller import OPERATOR
from lambda_handlers.http.api_gateway import http_request, http_response, with_cors
from lambda_handlers.http.messages import json_response
from lambda_handlers.wire import SldbError

V2 = {"version": "2.0", "routeKey": "$default", "requestContext": {"stage": "$default", "http": {"method": "POST"}}}


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({**V2, "rawPath": "/main/query"}, "/main/query"),
        ({"rawPath": "/prod/main/query", "requestContext": {"stage": "prod"}}, "/main/query"),
        ({"rawPath": "/prod", "requestContext": {"stage": "prod"}}, "/"),
        ({"rawPath": "/production/query", "requestContext": {"stage": "prod"}}, "/production/query"),
        (
            {
                "rawPath": "/prod/main/query",
                "routeKey": "POST /{database}/query",
                "pathParameters": {"database": "main"},
                "requestContext": {},
            },
            "/main/query",
        ),
        (
            {
                "httpMethod": "POST",
                "resource": "/{proxy+}",
                "path": "/mapped/main/read",
                "pathParameters": {"proxy": "main/read"},
                "requestContext": {"stage": "prod"},
            },
            "/main/read",
        ),
        ({"httpMethod": "POST", "resource": "/", "path": "/", "requestContext": {"stage": "prod"}}, "/"),
        # The prefix of a custom domain, which is no database.
        ({"httpMethod": "POST", "resource": "/", "path": "/main/", "requestContext": {"stage": "prod"}}, "/"),
        ({"httpMethod": "POST", "resource": "/read", "path": "/main/read", "requestContext": {"stage": "s"}}, "/read"),
        ({"rawPath": "/main/read", "routeKey": "POST /read", "requestContext": {"stage": "$default"}}, "/read"),
        ({"httpMethod": "POST", "requestContext": {}}, "/"),
        ({"httpMethod": "POST", "path": None, "requestContext": None}, "/"),
    ],
)
def test_the_path_has_no_stage_and_no_prefix(event: dict[str, Any], path: str) -> None:
    assert http_request(event, OPERATOR).path == path


def test_the_parts_of_a_request() -> None:
    event = {**V2, "rawPath": "/query", "headers": {"Content-Type": "text/plain", "X": "1"}, "body": "é"}
    http = http_request(event, OPERATOR)
    assert (http.method, http.body, dict(http.headers)) == (
        "POST",
        "é".encode(),
        {"content-type": "text/plain", "x": "1"},
    )
    encoded = {**event, "body": base64.b64encode(b"\xff\x00").decode(), "isBase64Encoded": True}
    assert http_request(encoded, OPERATOR).body == b"\xff\x00"


def test_only_the_root_needs_no_content_type() -> None:
    assert http_request({**V2, "rawPath": "/"}, OPERATOR).headers == {"content-type": "application/json"}
    assert http_request({**V2, "rawPath": "/query"}, OPERATOR).headers == {}
    assert http_request({**V2, "rawPath": "/", "headers": {"content-type": "a/b"}}, OPERATOR).headers == {
        "content-type": "a/b"
    }


@pytest.mark.parametrize(
    "event",
    [
        {**V2, "body": 4},
        {**V2, "body": "é=", "isBase64Encoded": True},
        {**V2, "body": "a", "isBase64Encoded": True},
    ],
)
def test_what_api_gateway_cannot_have_made(event: dict[str, Any]) -> None:
    with pytest.raises(SldbError) as caught:
        http_request(event, OPERATOR)
    assert caught.value.code == "bad_request"


def test_a_response() -> None:
    assert http_response(json_response(404, {"a": "é"})) == {
        "statusCode": 404,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": '{"a":"é"}',
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((), "https://a.example", None),
        (("https://a.example",), "https://a.example", "https://a.example"),
        (("https://a.example", "https://b.example"), "https://b.example", "https://b.example"),
        (("https://a.example",), "https://evil.example", None),
        (("https://a.example",), None, None),
        (("*",), "https://any.example", "*"),
    ],
)
def test_a_reply_names_the_origin_that_may_read_it(
    origins: tuple[str, ...], origin: str | None, allowed: str | None
) -> None:
    event = {"headers": {"Origin": origin} if origin else {}}
    headers = with_cors({"statusCode": 200, "headers": {"x-sldb-txid": "7"}}, event, origins)["headers"]
    assert headers["x-sldb-txid"] == "7"
    assert headers.get("access-control-allow-origin") == allowed
    assert ("x-sldb-txid" in headers.get("access-control-expose-headers", "")) == (allowed is not None)
    assert headers.get("vary") == ("origin" if origins else None)
