"""Requests to a REST API: who may pass, how often, what the function gets, and what clients get back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("moto")

from sldb.emulator.gateway.invoking import InvocationFailed, NotInvoked, Throttled, TimedOut, TooLarge
from tests.fakes.aws.rest_api import CORS, GROUP, URI, KeyApi, content, failure, header

FORBIDDEN = (403, "Forbidden")
NO_SUCH_METHOD = (403, "Missing Authentication Token")


@pytest.fixture
def api() -> KeyApi:
    return KeyApi()


def test_a_key_passes_and_the_function_gets_it(api: KeyApi) -> None:
    key = api.key()
    response = api.send(key=key, query="a=1&a=2&b=", headers=(("X-Twice", "1"), ("X-Twice", "2"), ("host", "x")))
    assert response.status == 200
    event = content(response)
    identity = event["requestContext"]["identity"]
    assert (identity["apiKeyId"], identity["apiKey"]) == (key, api.value(key))
    assert event["stageVariables"] == {"sldb_front": "key"}
    assert (event["resource"], event["path"]) == ("/{proxy+}", "/main/query")
    assert event["pathParameters"] == {"proxy": "main/query"}
    assert event["requestContext"]["path"] == "/sldb/main/query"
    assert event["multiValueHeaders"]["X-Twice"] == ["1", "2"]
    assert event["headers"]["X-Twice"] == "2"
    assert event["headers"]["Host"] == event["requestContext"]["domainName"]
    assert event["multiValueHeaders"]["X-Forwarded-For"] == [event["requestContext"]["identity"]["sourceIp"]]
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [""]}
    assert event["queryStringParameters"] == {"a": "2", "b": ""}
    _, _, source, seconds = api.functions.calls[0]
    assert source == f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/sldb/POST/{{proxy+}}"
    assert seconds == 29


@pytest.mark.parametrize("name", ["x-api-key", "X-API-Key"])
def test_the_header_has_any_case(api: KeyApi, name: str) -> None:
    assert api.send(headers=((name, api.value(api.key())),)).status == 200


def no_key(api: KeyApi) -> str | None:
    return None


def unknown(api: KeyApi) -> str | None:
    return "x" * 40


def disabled(api: KeyApi) -> str | None:
    return api.value(api.key(enabled=False))


def disabled_later(api: KeyApi) -> str | None:
    key = api.key()
    assert api.send(key=key).status == 200
    api.control.patch(f"/apikeys/{key}", ("replace", "/enabled", "false"))
    return api.value(key)


def deleted(api: KeyApi) -> str | None:
    key = api.key()
    value = api.value(key)
    api.control("DELETE", f"/apikeys/{key}")
    return value


def without_plan(api: KeyApi) -> str | None:
    made = api.control("POST", "/apikeys", {"name": "a", "enabled": True})
    return str(made["value"])


def taken_from_plan(api: KeyApi) -> str | None:
    key = api.key()
    api.control("DELETE", f"/usageplans/{api.plan}/keys/{key}")
    return api.value(key)


def plan_without_stage(api: KeyApi) -> str | None:
    key = api.key()
    api.control.patch(f"/usageplans/{api.plan}", ("remove", "/apiStages", f"{api.id}:sldb"))
    return api.value(key)


def the_id(api: KeyApi) -> str | None:
    return api.key()


@pytest.mark.parametrize(
    "value",
    [no_key, unknown, disabled, disabled_later, deleted, without_plan, taken_from_plan, plan_without_stage, the_id],
)
def test_what_is_no_valid_key_is_forbidden_and_nothing_runs(api: KeyApi, value: Callable[[KeyApi], str | None]) -> None:
    given = value(api)
    before = len(api.functions.calls)
    for path in ("/sldb/main/query", "/sldb/", "/sldb"):
        response = api.send(path=path, headers=() if given is None else (("x-api-key", given),))
        assert failure(response) == FORBIDDEN
        assert header(response, "x-amzn-ErrorType") == "ForbiddenException"
    assert len(api.functions.calls) == before


def test_a_key_of_another_api_is_forbidden(api: KeyApi) -> None:
    other = KeyApi(control=api.control)
    assert api.send(key=other.key()).status == 403
    assert other.send(key=other.key()).status == 200


def test_paths_and_methods_that_no_deployment_has(api: KeyApi) -> None:
    key = api.key()
    for method, path in (("PUT", "/sldb/main/query"), ("GET", "/sldb/"), ("DELETE", "/sldb/x"), ("HEAD", "/sldb/x")):
        assert failure(api.send(method, path, key=key)) == NO_SUCH_METHOD
    for path in ("/", "/other/main/query", "/SLDB/main/query", ""):
        assert failure(api.send(path=path, key=key)) == FORBIDDEN


def test_burst_and_rate_of_the_plan_are_those_of_each_key(api: KeyApi) -> None:
    api.control.patch(
        f"/usageplans/{api.plan}", ("replace", "/throttle/rateLimit", "0.5"), ("replace", "/throttle/burstLimit", "2")
    )
    first, second = api.key(), api.key()
    assert [api.send(key=first).status for _ in range(3)] == [200, 200, 429]
    assert failure(api.send(key=first)) == (429, "Too Many Requests")
    assert api.send(key=second).status == 200
    api.seconds += 2
    assert [api.send(key=first).status for _ in range(2)] == [200, 429]
    assert len(api.functions.calls) == 4


@pytest.mark.parametrize(("period", "days"), [("DAY", 1), ("WEEK", 7), ("MONTH", 31)])
def test_a_quota_is_used_up_until_its_period_ends(api: KeyApi, period: str, days: int) -> None:
    api.control.patch(f"/usageplans/{api.plan}", ("replace", "/quota/limit", "2"), ("replace", "/quota/period", period))
    key = api.key()
    assert [api.send(key=key).status for _ in range(4)] == [200, 200, 429, 429]
    assert failure(api.send(key=key)) == (429, "Limit Exceeded")
    assert api.send(key=api.key()).status == 200
    api.now += days * 86_400
    assert [api.send(key=key).status for _ in range(3)] == [200, 200, 429]
    api.control.patch(f"/usageplans/{api.plan}", ("remove", "/quota", ""))
    assert api.send(key=key).status == 200


def test_what_the_rate_refuses_uses_no_quota(api: KeyApi) -> None:
    api.control.patch(
        f"/usageplans/{api.plan}",
        ("replace", "/throttle/rateLimit", "1"),
        ("replace", "/throttle/burstLimit", "1"),
        ("replace", "/quota/limit", "2"),
        ("replace", "/quota/period", "DAY"),
    )
    key = api.key()
    assert [api.send(key=key).status for _ in range(5)] == [200, 429, 429, 429, 429]
    api.seconds += 1
    assert api.send(key=key).status == 200
    api.seconds += 1
    assert failure(api.send(key=key)) == (429, "Limit Exceeded")


def test_the_stage_has_a_rate_for_all_keys(api: KeyApi) -> None:
    api.control.patch(
        api.stage,
        ("replace", "/*/*/throttling/rateLimit", "1"),
        ("replace", "/*/*/throttling/burstLimit", "3"),
        ("replace", "/~1{proxy+}/GET/throttling/burstLimit", "1"),
    )
    assert [api.send(key=api.key()).status for _ in range(4)] == [200, 200, 200, 429]
    assert [api.send("GET", key=api.key()).status for _ in range(2)] == [200, 429]  # its own bucket, and burst


def test_a_deployment_is_a_copy(api: KeyApi) -> None:
    key = api.key()
    api.method(api.proxy, "PUT")
    assert failure(api.send("PUT", key=key)) == NO_SUCH_METHOD
    api.control("DELETE", f"{api.path}/resources/{api.proxy}")
    assert api.send(key=key).status == 200
    api.deploy()
    assert failure(api.send(key=key)) == NO_SUCH_METHOD
    assert api.send(key=key, path="/sldb").status == 200


def test_preflights_need_no_key_and_run_nothing(api: KeyApi) -> None:
    for path in ("/sldb", "/sldb/main/v2/pipeline"):
        response = api.send("OPTIONS", path, body=b"")
        assert response.status == 204
        assert {name: header(response, name) for name in CORS} == CORS
    assert failure(api.send("OPTIONS", headers=(("Content-Type", "text/plain"),))) == (500, "Internal server error")
    assert api.functions.calls == []


REPLIES = [
    None,
    [],
    "text",
    {},
    {"body": "no status"},
    {"statusCode": "abc"},
    {"statusCode": None},
    {"statusCode": 99},
    {"statusCode": True},
    {"statusCode": 200, "body": {"an": "object"}},
    {"statusCode": 200, "headers": ["a"]},
    {"statusCode": 200, "headers": {"a": {"b": 1}}},
    {"statusCode": 200, "headers": {"a": "b\r\nSet-Cookie: x"}},
]


@pytest.mark.parametrize("reply", REPLIES, ids=json.dumps)
def test_malformed_replies(api: KeyApi, reply: Any) -> None:
    api.functions.functions[URI] = lambda _event: reply
    response = api.send(key=api.key())
    assert failure(response) == (502, "Internal server error")
    assert header(response, "x-amzn-ErrorType") == "InternalServerErrorException"


def test_replies_with_everything(api: KeyApi) -> None:
    api.functions.functions[URI] = lambda _event: {
        "statusCode": "201",
        "headers": {"X-One": 1, "Connection": "close", "Date": "today", "X-True": True},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "body": "é",
        "isBase64Encoded": True,
        "more": "is ignored",
    }
    response = api.send(key=api.key())
    assert (response.status, response.body) == (201, "é".encode())
    headers = dict(response.headers)
    assert [value for name, value in response.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert (headers["X-One"], headers["X-True"], headers["x-amzn-Remapped-Date"]) == ("1", "true", "today")
    assert (headers["Content-Type"], headers["x-amzn-RequestId"]) == ("application/json", "request-1")
    assert "Connection" not in headers


def test_a_reply_without_a_body(api: KeyApi) -> None:
    api.functions.functions[URI] = lambda _event: {"statusCode": 204}
    assert (api.send(key=api.key()).status, api.send(key=api.key()).body) == (204, b"")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (TimedOut("late"), (504, "Endpoint request timed out")),
        (Throttled("busy"), (500, "Internal server error")),
        (NotInvoked("its policy does not let it"), (500, "Internal server error")),
        (InvocationFailed("raised"), (502, "Internal server error")),
        (TooLarge("6 MB"), (413, "Request Too Long")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_functions_that_fail(api: KeyApi, error: Exception, answer: tuple[int, str]) -> None:
    def fail(_event: Any) -> Any:
        raise error

    api.functions.functions[URI] = fail
    assert failure(api.send(key=api.key())) == answer


def test_gateway_responses_change_what_the_gateway_answers(api: KeyApi) -> None:
    allowed = {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
    api.control("PUT", f"{api.path}/gatewayresponses/DEFAULT_4XX", {"responseParameters": allowed})
    assert header(api.send(), "access-control-allow-origin") is None  # not before there is a deployment
    api.deploy()
    response = api.send()
    assert failure(response) == FORBIDDEN
    assert header(response, "access-control-allow-origin") == "*"
    text = '{"why": $context.error.messageString, "kind": "$context.error.responseType", "id": "$context.requestId"}'
    wanted = {"statusCode": "401", "responseTemplates": {"application/json": text}}
    api.control("PUT", f"{api.path}/gatewayresponses/INVALID_API_KEY", wanted)
    api.deploy()
    response = api.send()
    assert response.status == 401
    assert content(response) == {"why": "Forbidden", "kind": "INVALID_API_KEY", "id": "request-1"}
    assert header(response, "access-control-allow-origin") is None  # the kind's own, and not the default's


def test_the_access_log_has_a_line_for_each_request_to_a_stage(api: KeyApi) -> None:
    api.control.patch("/account", ("replace", "/cloudwatchRoleArn", "arn:aws:iam::123456789012:role/logs"))
    text = "$context.requestId $context.status $context.httpMethod $context.resourcePath $context.identity.apiKeyId"
    api.control.patch(
        api.stage,
        ("replace", "/accessLogSettings/destinationArn", GROUP),
        ("replace", "/accessLogSettings/format", f"{text} $context.error.responseType $context.error.message"),
    )
    key = api.key()
    api.send(key=key)
    api.send()
    api.send("PUT", key=key)
    api.functions.functions[URI] = lambda _event: None
    api.send(key=key)
    api.control.patch(api.stage, ("remove", "/accessLogSettings", ""))
    api.send(key=key)
    assert api.log.lines == [
        f"request-1 200 POST /{{proxy+}} {key} - -",
        "request-1 403 POST /{proxy+} - INVALID_API_KEY Forbidden",
        "request-1 403 PUT - - MISSING_AUTHENTICATION_TOKEN Missing Authentication Token",
        f"request-1 502 POST /{{proxy+}} {key} DEFAULT_5XX Internal server error",
    ]


def test_a_custom_domain_names_the_stage(api: KeyApi) -> None:
    event = content(api.send(path="/main/query", stage="sldb", key=api.key()))
    assert (event["path"], event["requestContext"]["path"], event["requestContext"]["stage"]) == (
        "/main/query",
        "/main/query",
        "sldb",
    )
    api.control.patch(api.path, ("replace", "/disableExecuteApiEndpoint", "true"))
    assert api.send(path="/main/query", stage="sldb", key=api.key()).status == 200
    assert failure(api.send(key=api.key())) == FORBIDDEN


def test_an_api_that_is_gone(api: KeyApi) -> None:
    assert api.apis.region_of(api.id) == "us-east-1"
    api.control("DELETE", api.path)
    assert api.apis.region_of(api.id) is None
    assert api.send().status == 403
