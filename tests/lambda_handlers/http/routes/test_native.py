"""The native routes: the event in the body, and what headers add to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_handlers.actions.registry import ACTIONS
from lambda_handlers.caller import OPERATOR
from lambda_handlers.http.messages import HttpRequest, HttpResponse
from lambda_handlers.http.routes.native import READING_ACTIONS, idempotency_key
from lambda_handlers.service import Service
from tests.fakes.databases.service import run


def post(service: Service, path: str, event: dict[str, Any], **headers: str) -> HttpResponse:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(event).encode()
    http = HttpRequest("POST", path, {"content-type": "application/json", **given}, body, OPERATOR)
    return service.http.respond(http)


def test_a_request_and_its_reply_are_those_of_an_invocation(service: Service) -> None:
    event = {"query": "SELECT :a AS a, x'00ff' AS b", "params": {"a": {"$float": "inf"}}}
    response = post(service, "/main/query", event)
    direct = service.handle(event)["body"]
    got = json.loads(response.body)
    assert response.status == 200
    assert {name: got[name] for name in direct if name != "stats"} == {n: direct[n] for n in direct if n != "stats"}


def test_an_error_is_that_of_an_invocation(service: Service) -> None:
    event = {"query": "SELECT * FROM missing"}
    response, direct = post(service, "/main/query", event), service.handle(event)
    assert (response.status, json.loads(response.body)) == (direct["statusCode"], direct["body"])


def test_read_refuses_to_write_whatever_the_body_says(service: Service) -> None:
    run(service, "CREATE TABLE t (a)")
    for event in (
        {"query": "INSERT INTO t VALUES (1)"},
        {"query": "INSERT INTO t VALUES (1)", "read_only": False},
        {"query": "CREATE TABLE u (a)"},
        {"query": "INSERT INTO t VALUES (1)", "transaction": {"begin": True, "end": "commit"}},
    ):
        response = post(service, "/main/read", event)
        error = json.loads(response.body)["error"]
        assert (response.status, error["code"]) == (403, "read_only"), event
        assert error["hint"] == "POST /main/query may write"
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]
    assert post(service, "/main/read", {"query": "SELECT * FROM t"}).status == 200


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - READING_ACTIONS))
def test_read_takes_no_action_that_writes(service: Service, action: str) -> None:
    response = post(service, "/main/read", {"action": action})
    error = json.loads(response.body)["error"]
    assert (response.status, error["code"]) == (403, "read_only")
    assert error["hint"].endswith("POST /main/query")


def test_actions_have_the_same_routes(service: Service) -> None:
    run(service, "CREATE TABLE t (a)")
    for path in ("/main/query", "/main/read", "/"):
        response = post(service, path, {"action": "history"})
        assert (response.status, response.headers["x-sldb-txid"]) == (200, "1")
        assert json.loads(response.body)["txid"] == 1
    assert post(service, "/main/query", {"action": "nothing"}).status == 400


@pytest.mark.parametrize("value", ["order-17", '"order-17"'])
def test_an_idempotency_key_applies_a_write_once(service: Service, value: str) -> None:
    run(service, "CREATE TABLE t (a)")
    for _ in range(2):
        response = post(service, "/main/query", {"query": "INSERT INTO t VALUES (1)"}, idempotency_key=value)
        assert (response.status, response.headers["x-sldb-txid"]) == (200, "2")
        assert response.headers["x-sldb-request-id"] == "order-17"
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]


def test_a_body_may_not_contradict_a_header(service: Service) -> None:
    event = {"query": "SELECT 1", "request_id": "a"}
    assert post(service, "/query", event, idempotency_key="a").status == 200
    assert post(service, "/query", event, idempotency_key="b").status == 400
    assert post(service, "/query", event, idempotency_key="x" * 201).status == 400


@pytest.mark.parametrize(
    ("text", "key"), [(None, None), ("", None), ('""', None), ("a", "a"), ('"a"', "a"), ('"', '"'), (' "a b" ', "a b")]
)
def test_the_text_of_an_idempotency_key(text: str | None, key: str | None) -> None:
    assert idempotency_key({} if text is None else {"idempotency-key": text}) == key


@pytest.mark.parametrize("text", ["", "-1", "1.5", "two", "9" * 21, "٣", "1, 2"])
def test_a_bookmark_that_is_no_txid(service: Service, text: str) -> None:
    assert post(service, "/query", {"query": "SELECT 1"}, x_sldb_min_txid=text).status == 400


def test_a_request_id_that_is_no_header_is_left_out(service: Service) -> None:
    response = post(service, "/query", {"query": "SELECT 1", "request_id": "é"})
    assert response.status == 200
    assert "x-sldb-request-id" not in response.headers
