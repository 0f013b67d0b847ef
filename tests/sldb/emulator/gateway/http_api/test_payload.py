"""Events and replies of payload format 2.0."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.http_api import payload
from sldb.emulator.gateway.http_api.payload import BadReply, Routed
from sldb.emulator.gateway.messages import Request, joined
from tests.fakes.aws.gateway import request


def routed(what: Request, **changes: Any) -> Routed:
    return replace(Routed(what, "abc", "$default", {}, "POST /{proxy+}", {}), **changes)


def test_the_fields_of_the_developer_guide() -> None:
    headers = (
        ("Header1", "value1"),
        ("Header2", "value1"),
        ("header2", "value2"),
        ("Cookie", "cookie1=a; cookie2=b"),
        ("User-Agent", "agent"),
        ("Content-Type", "application/json"),
    )
    what = request(
        "POST",
        "/my/path",
        headers=headers,
        body=b"{}",
        query="parameter1=value1&parameter1=value2&parameter2=a%20b&e=",
    )
    event = payload.event(
        routed(what, stage_variables={"v": "1"}, parameters={"proxy": "my/path"}), {"lambda": {"key": "value"}}
    )
    assert event == {
        "version": "2.0",
        "routeKey": "POST /{proxy+}",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a%20b&e=",
        "cookies": ["cookie1=a", "cookie2=b"],
        "headers": {
            "header1": "value1",
            "header2": "value1,value2",
            "user-agent": "agent",
            "content-type": "application/json",
            "content-length": "2",
            "host": "abc.execute-api.us-east-1.amazonaws.com",
            "x-amzn-trace-id": "Root=1-5e5ffb9e-request1",
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "a b", "e": ""},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "authorizer": {"lambda": {"key": "value"}},
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abc",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "agent",
            },
            "requestId": "request-1",
            "routeKey": "POST /{proxy+}",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": "{}",
        "pathParameters": {"proxy": "my/path"},
        "isBase64Encoded": False,
        "stageVariables": {"v": "1"},
    }


def test_the_clients_address_follows_those_that_proxies_have_noted() -> None:
    headers = (("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-Proto", "http"), ("Host", "evil.example"))
    found = payload.event(routed(request(headers=headers)), None)["headers"]
    assert found["x-forwarded-for"] == "198.51.100.1, 192.0.2.7"
    assert (found["x-forwarded-proto"], found["host"]) == ("https", "abc.execute-api.us-east-1.amazonaws.com")


def test_what_is_empty_is_left_out() -> None:
    event = payload.event(routed(request("GET")), None)
    assert not {"body", "cookies", "queryStringParameters", "pathParameters", "stageVariables"} & set(event)
    assert "authorizer" not in event["requestContext"]
    assert event["isBase64Encoded"] is False


@given(st.binary(max_size=40), st.sampled_from(["application/json", "text/plain; charset=x", "image/png", ""]))
def test_every_body_arrives(body: bytes, kind: str) -> None:
    event = payload.event(routed(request(body=body, headers=(("content-type", kind),))), None)
    text = event.get("body", "")
    assert (base64.b64decode(text) if event["isBase64Encoded"] else text.encode()) == body


@pytest.mark.parametrize(
    ("kind", "more", "is_base64"),
    [
        ("application/json; charset=utf-8", (), False),
        ("application/problem+json", (), False),
        ("text/csv", (), False),
        ("application/x-www-form-urlencoded", (), True),
        ("application/octet-stream", (), True),
        ("application/json", (("content-encoding", "gzip"),), True),
    ],
)
def test_which_bodies_are_base64(kind: str, more: Any, is_base64: bool) -> None:
    event = payload.event(routed(request(body=b"x", headers=(("content-type", kind), *more))), None)
    assert event["isBase64Encoded"] is is_base64


def test_a_reply_with_all_fields() -> None:
    found = payload.response(
        {
            "statusCode": 303,
            "headers": {"Location": "https://x", "X-Count": 3, "X-True": True},
            "cookies": ["a=1", "b=2; Secure"],
            "body": base64.b64encode(b"\xff\x00").decode(),
            "isBase64Encoded": True,
        }
    )
    assert (found.status, found.body) == (303, b"\xff\x00")
    assert ("Location", "https://x") in found.headers
    assert [value for name, value in found.headers if name == "set-cookie"] == ["a=1", "b=2; Secure"]
    assert joined(found.headers)["x-count"] == "3"
    assert joined(found.headers)["x-true"] == "true"
    assert joined(found.headers)["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("reply", "body"), [({"a": "é"}, '{"a":"é"}'), ("Hello from Lambda!", "Hello from Lambda!"), ([1], "[1]")]
)
def test_a_reply_without_a_status_is_the_body_of_a_200(reply: Any, body: str) -> None:
    found = payload.response(reply)
    assert (found.status, found.body.decode(), joined(found.headers)["content-type"]) == (200, body, "application/json")


@pytest.mark.parametrize(
    "reply",
    [
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": "abc"},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200.5},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "cookies": "a=b"},
        {"statusCode": 200, "cookies": [1]},
    ],
)
def test_a_reply_that_is_no_response_is_refused(reply: Any) -> None:
    with pytest.raises(BadReply):
        payload.response(reply)


MEMBERS = st.sampled_from(["statusCode", "headers", "cookies", "body", "isBase64Encoded", "x"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(MEMBERS, inner)))
def test_any_reply_is_a_response_or_refused(reply: Any) -> None:
    try:
        found = payload.response(reply)
    except BadReply:
        return
    assert 100 <= found.status <= 599
