"""Requests to HTTP APIs, with a stand-in for the functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, cast

import pytest

from sldb.emulator.gateway.http_api import handler, routes
from sldb.emulator.gateway.http_api.apis import Authorizer, Cors, HttpApi, Integration, Route, Stage
from sldb.emulator.gateway.http_api.function_authorizer import FunctionAuthorizers
from sldb.emulator.gateway.http_api.issuer_keys import IssuerKeys
from sldb.emulator.gateway.http_api.jwt_authorizer import JwtAuthorizers
from sldb.emulator.gateway.invoking import InvocationFailed, Throttled, TimedOut, TooLarge
from sldb.emulator.gateway.messages import Request, Response, joined
from sldb.emulator.gateway.throttling import Limit, Throttle
from tests.fakes.aws.gateway import Lines, StandIn, request
from tests.fakes.aws.issuer import Issuer
from tests.fakes.clock import Clock

QUERY, AUTHORIZER = "query-function", "authorizer-function"
TOKEN = Authorizer("auth1", "REQUEST", AUTHORIZER, True, "2.0", ("$request.header.Authorization",), 30, "", ())
FORMAT = "$context.requestId $context.routeKey $context.status $context.authorizer.sldb_name $context.nothing"
STAGE = Stage("$default", {"sldb_front": "token"}, Limit(100, 100), {}, "arn:aws:logs:r:a:log-group:g:*", FORMAT)


def route(key: str, authorizer: Authorizer | None = None, seconds: float = 30.0) -> Route:
    kind = "NONE" if authorizer is None else "CUSTOM"
    return Route(routes.parse(key), kind, authorizer, (), Integration(QUERY, "2.0", seconds))


def api(*all_routes: Route, **changes: Any) -> HttpApi:
    found = HttpApi("abc", "us-east-1", None, all_routes or (route("POST /{proxy+}"),), {"$default": STAGE})
    return replace(found, **changes)


def answer_ok(_event: Mapping[str, Any]) -> Any:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}


def allow_good(event: Mapping[str, Any]) -> Any:
    token = event["identitySource"][0]
    return {"isAuthorized": token == "Bearer good", "context": {"sldb_name": token, "sldb_scope": "write"}}


@dataclass
class World:
    clock: Clock = field(default_factory=Clock)
    functions: StandIn = field(default_factory=lambda: StandIn({QUERY: answer_ok, AUTHORIZER: allow_good}))
    log: Lines = field(default_factory=Lines)
    issuer: Issuer = field(default_factory=Issuer)

    def __post_init__(self) -> None:
        authorizers = FunctionAuthorizers(self.functions, self.clock.now)
        jwt = JwtAuthorizers(IssuerKeys(self.issuer.fetch, self.clock.now), self.clock.now)
        throttle = Throttle(self.clock.now)
        self.parts = handler.Parts(self.functions, authorizers, jwt, cast("Any", None), throttle, self.log)

    def answer(self, of: HttpApi, what: Request) -> Response:
        return handler.answer(of, what, self.parts)


@pytest.fixture
def world() -> World:
    return World()


def bearer(token: str, path: str = "/main/query") -> Request:
    return request("POST", path, headers=(("authorization", token),))


def test_a_request_reaches_the_function_of_its_route(world: World) -> None:
    found = world.answer(api(), request("POST", "/main/query", body=b"{}"))
    assert (found.status, found.body) == (200, b"{}")
    assert joined(found.headers)["apigw-requestid"] == "request-1"
    [(uri, event, source, seconds)] = world.functions.calls
    assert (uri, seconds) == (QUERY, 30.0)
    assert source == "arn:aws:execute-api:us-east-1:123456789012:abc/$default/POST/{proxy+}"
    assert event["pathParameters"] == {"proxy": "main/query"}
    assert event["stageVariables"] == {"sldb_front": "token"}
    assert world.log.lines == ["request-1 POST /{proxy+} 200 - -"]


def test_no_route_is_404_and_invokes_nothing(world: World) -> None:
    found = world.answer(api(), request("DELETE", "/main/query"))
    assert (found.status, json.loads(found.body)) == (404, {"message": "Not Found"})
    assert world.functions.calls == []


def test_the_stage_is_the_first_segment_if_there_is_one_of_that_name(world: World) -> None:
    named = replace(STAGE, name="prod")
    two = api(stages={"$default": STAGE, "prod": named})
    assert world.answer(two, request("POST", "/prod/main/query")).status == 200
    assert world.answer(two, request("POST", "/other/query")).status == 200
    assert world.answer(two, request("POST", "/main/query", stage="prod")).status == 200
    events = world.functions.events(QUERY)
    assert [(each["requestContext"]["stage"], each["rawPath"], each["pathParameters"]["proxy"]) for each in events] == [
        ("prod", "/prod/main/query", "main/query"),
        ("$default", "/other/query", "other/query"),
        ("prod", "/main/query", "main/query"),
    ]


def test_without_a_stage_or_a_host_of_its_own_there_is_no_api(world: World) -> None:
    assert world.answer(api(stages={}), request("POST", "/x")).status == 404
    assert world.answer(api(has_own_host=False), request("POST", "/x")).status == 404
    assert world.answer(api(has_own_host=False), request("POST", "/x", stage="$default")).status == 200
    assert world.answer(api(), request("POST", "/x", stage="gone")).status == 404


def test_an_authorizer_decides_and_its_context_reaches_the_function(world: World) -> None:
    guarded = api(route("POST /{proxy+}", TOKEN))
    assert world.answer(guarded, bearer("Bearer good")).status == 200
    [asked] = world.functions.events(AUTHORIZER)
    assert (asked["version"], asked["type"], asked["identitySource"]) == ("2.0", "REQUEST", ["Bearer good"])
    assert asked["routeArn"] == "arn:aws:execute-api:us-east-1:123456789012:abc/$default/POST/main/query"
    assert "body" not in asked
    [event] = world.functions.events(QUERY)
    assert event["requestContext"]["authorizer"] == {"lambda": {"sldb_name": "Bearer good", "sldb_scope": "write"}}
    assert world.log.lines == ["request-1 POST /{proxy+} 200 Bearer good -"]
    found = world.answer(guarded, bearer("Bearer bad"))
    assert (found.status, json.loads(found.body)) == (403, {"message": "Forbidden"})
    assert len(world.functions.events(QUERY)) == 1


@pytest.mark.parametrize("headers", [(), (("authorization", ""),)])
def test_a_missing_identity_is_401_and_asks_nobody(world: World, headers: tuple[tuple[str, str], ...]) -> None:
    found = world.answer(api(route("POST /{proxy+}", TOKEN)), request("POST", "/x", headers=headers))
    assert (found.status, json.loads(found.body)) == (401, {"message": "Unauthorized"})
    assert world.functions.calls == []


def test_results_are_kept_for_the_ttl_by_identity_denials_too(world: World) -> None:
    guarded = api(route("POST /{proxy+}", TOKEN))
    for token, asked in (("Bearer good", 1), ("Bearer good", 1), ("Bearer bad", 2), ("Bearer bad", 2)):
        world.answer(guarded, bearer(token))
        assert len(world.functions.events(AUTHORIZER)) == asked
    world.clock.sleep(29.9)
    world.answer(guarded, bearer("Bearer good", "/other/query"))  # the route does not matter
    assert len(world.functions.events(AUTHORIZER)) == 2
    world.clock.sleep(0.2)
    world.functions.functions[AUTHORIZER] = lambda _event: {"isAuthorized": False}
    assert world.answer(guarded, bearer("Bearer good")).status == 403
    assert len(world.functions.events(AUTHORIZER)) == 3


def test_the_age_of_a_result_counts_from_the_question(world: World) -> None:
    def slow(event: Mapping[str, Any]) -> Any:
        world.clock.sleep(20)
        return allow_good(event)

    world.functions.functions[AUTHORIZER] = slow
    guarded = api(route("POST /{proxy+}", TOKEN))
    world.answer(guarded, bearer("Bearer good"))
    world.clock.sleep(11)
    world.answer(guarded, bearer("Bearer good"))
    assert len(world.functions.events(AUTHORIZER)) == 2


@pytest.mark.parametrize("authorizer", [replace(TOKEN, ttl_seconds=0), replace(TOKEN, identity_sources=())])
def test_without_a_ttl_or_an_identity_nothing_is_kept(world: World, authorizer: Authorizer) -> None:
    world.functions.functions[AUTHORIZER] = lambda _event: {"isAuthorized": True}
    for asked in (1, 2):
        assert world.answer(api(route("POST /{proxy+}", authorizer)), bearer("Bearer good")).status == 200
        assert len(world.functions.events(AUTHORIZER)) == asked


def raising(error: Exception) -> Any:
    def function(_event: Mapping[str, Any]) -> NoReturn:
        raise error

    return function


@pytest.mark.parametrize(
    "function",
    [
        raising(InvocationFailed("it raised")),
        raising(TimedOut("10 s")),
        raising(Throttled("busy")),
        raising(TooLarge("7 MB")),
        lambda _event: None,
        lambda _event: {"isAuthorized": "true"},
        lambda _event: {"isAuthorized": True, "context": [1]},
    ],
)
def test_an_authorizer_that_fails_lets_nobody_pass_and_is_asked_again(world: World, function: Any) -> None:
    guarded = api(route("POST /{proxy+}", TOKEN))
    world.functions.functions[AUTHORIZER] = function
    found = world.answer(guarded, bearer("Bearer good"))
    assert (found.status, json.loads(found.body)) == (500, {"message": "Internal Server Error"})
    world.functions.functions[AUTHORIZER] = allow_good
    assert world.answer(guarded, bearer("Bearer good")).status == 200


def test_a_route_whose_authorizer_is_gone_lets_nobody_pass(world: World) -> None:
    broken = replace(route("POST /{proxy+}"), authorization="CUSTOM")
    assert world.answer(api(broken), bearer("Bearer good")).status == 500
    assert world.functions.calls == []


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (InvocationFailed("it raised"), 500, "Internal Server Error"),
        (TimedOut("30 s"), 503, "Service Unavailable"),
        (Throttled("busy"), 503, "Service Unavailable"),
        (TooLarge("7 MB"), 413, "Request Entity Too Large"),
    ],
)
def test_what_a_client_gets_when_the_function_fails(world: World, error: Exception, status: int, text: str) -> None:
    world.functions.functions[QUERY] = raising(error)
    found = world.answer(api(), request("POST", "/x"))
    assert (found.status, json.loads(found.body)) == (status, {"message": text})


def test_a_reply_that_is_no_response_is_500(world: World) -> None:
    world.functions.functions[QUERY] = lambda _event: {"statusCode": "many"}
    assert world.answer(api(), request("POST", "/x")).status == 500


def test_the_stage_throttles_each_route(world: World) -> None:
    slow = replace(STAGE, limit=Limit(1, 2), route_limits={"POST /read": Limit(1, 1)})
    limited = api(route("POST /{proxy+}"), route("POST /read"), stages={"$default": slow})
    statuses = [world.answer(limited, request("POST", "/x")).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    found = [world.answer(limited, request("POST", "/read")) for _ in range(2)]
    assert [each.status for each in found] == [200, 429]
    assert json.loads(found[1].body) == {"message": "Too Many Requests"}
    world.clock.sleep(1)
    assert world.answer(limited, request("POST", "/x")).status == 200


def test_a_preflight_needs_no_authorization_and_reaches_no_function(world: World) -> None:
    guarded = api(route("POST /{proxy+}", TOKEN), cors=Cors(("https://a.example",), ("POST",)))
    asked = (("origin", "https://a.example"), ("access-control-request-method", "POST"))
    preflight = world.answer(guarded, request("OPTIONS", "/x", headers=asked))
    assert (preflight.status, joined(preflight.headers)["apigw-requestid"]) == (204, "request-1")
    assert world.functions.calls == []
    refused = world.answer(guarded, request("POST", "/x", headers=asked[:1]))
    assert refused.status == 401
    assert joined(refused.headers)["access-control-allow-origin"] == "https://a.example"
    without = api(route("POST /{proxy+}", TOKEN))
    assert world.answer(without, request("OPTIONS", "/x", headers=asked)).status == 404


def test_a_jwt_decides_and_its_claims_reach_the_function(world: World) -> None:
    authorizer = Authorizer(
        "auth2", "JWT", "", False, "", ("$request.header.Authorization",), 0, world.issuer.url, ("sldb",)
    )
    guarded = api(replace(route("POST /{proxy+}", authorizer), authorization="JWT"))
    token = world.issuer.token(world.clock.now(), sub="user-1", sldb_databases=["main", "other"])
    assert world.answer(guarded, bearer(f"Bearer {token}")).status == 200
    [event] = world.functions.events(QUERY)
    jwt = event["requestContext"]["authorizer"]["jwt"]
    assert (jwt["claims"]["sub"], jwt["claims"]["sldb_databases"], jwt["scopes"]) == ("user-1", "[main other]", None)
    world.clock.sleep(3600)
    found = world.answer(guarded, bearer(f"Bearer {token}"))
    assert (found.status, json.loads(found.body)) == (401, {"message": "Unauthorized"})
    assert "expired" in joined(found.headers)["www-authenticate"]


def test_the_log_has_the_kind_of_a_refusal_and_the_functions_request(world: World) -> None:
    text = "$context.status $context.error.responseType $context.error.message $context.integration.requestId"
    logged = api(route("POST /{proxy+}", TOKEN), stages={"$default": replace(STAGE, log_format=text)})
    world.answer(logged, request("POST", "/x"))
    world.answer(logged, bearer("Bearer bad"))
    world.answer(logged, bearer("Bearer good"))
    assert world.log.lines[:2] == ["401 UNAUTHORIZED Unauthorized -", "403 ACCESS_DENIED Forbidden -"]
    assert world.log.lines[2].startswith("200 - - ")
    assert not world.log.lines[2].endswith("-")
