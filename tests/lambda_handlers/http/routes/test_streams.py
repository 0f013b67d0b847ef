"""The routes of SQL over HTTP: paths, versions, the database of a path, the rights of a caller."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.http.messages import HttpRequest, HttpResponse, Limits
from lambda_handlers.service import Service
from tests.fakes.databases.hrana import execute, rows, step
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = container(memory_store())
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES ('main')")
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES ('orders')", database="orders")
    yield service
    service.close()


class Invocation:
    aws_request_id = "2c3a"

    def __init__(self) -> None:
        self.left_ms = 60_000

    def get_remaining_time_in_millis(self) -> int:
        self.left_ms -= 1000
        return self.left_ms


@pytest.fixture
def send(service):
    def send(
        path: str, body: object, method: str = "POST", caller: Caller = OPERATOR, key: str | None = None
    ) -> HttpResponse:
        headers = {**JSON, **({"idempotency-key": key} if key else {})}
        return service.http.respond(HttpRequest(method, path, headers, json.dumps(body).encode(), caller), Limits())

    return send


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(("prefix", "database"), [("", "main"), ("/main", "main"), ("/orders", "orders")])
def test_a_pipeline_of_the_database_in_the_path(send, version, prefix, database):
    response = send(f"{prefix}/{version}/pipeline", {"requests": [execute("SELECT a FROM t")]})
    assert response.status == 200
    assert rows(json.loads(response.body)["results"][0]) == [(database,)]
    assert response.headers["x-sldb-txid"] == "1"


def test_an_error_before_the_endpoint_may_show_what_utf_8_does_not_have(send):
    response = send("/main/v3/pipeline", {"requests": []}, "\ud800")
    assert response.status == 405
    assert json.loads(response.body)["message"]


def test_a_cursor(send):
    response = send("/orders/v3/cursor", {"batch": {"steps": [step("SELECT a FROM t")]}})
    entries = [json.loads(line) for line in response.body.splitlines()]
    assert entries[2] == {"type": "row", "row": [{"type": "text", "value": "orders"}]}


@pytest.mark.parametrize(("path", "status"), [("/v2", 200), ("/v3", 200), ("/orders/v3", 200), ("/v4", 404)])
def test_probes_of_a_version(send, path, status):
    assert send(path, None, method="GET").status == status


def test_an_idempotency_key_applies_a_write_once(send):
    body = {"requests": [execute("CREATE TABLE IF NOT EXISTS once (a)"), execute("INSERT INTO once VALUES (1)")]}
    for key in ("k", '"k"'):
        assert send("/main/v3/pipeline", body, key=key).status == 200
    response = send("/main/v3/pipeline", {"requests": [execute("SELECT count(*) FROM once")]})
    assert rows(json.loads(response.body)["results"][0]) == [(1,)]


def test_a_caller_reaches_only_its_database(send):
    caller = Caller("ann", frozenset({"orders"}), may_write=False)
    body = {"requests": [execute("SELECT a FROM t")]}
    assert rows(json.loads(send("/v3/pipeline", body, caller=caller).body)["results"][0]) == [("orders",)]
    assert send("/main/v3/pipeline", body, caller=caller).status == 403


def test_the_writes_of_one_invocation_are_not_taken_for_one(service, send):
    requests = [execute("CREATE TABLE several (a)"), *[execute("INSERT INTO several VALUES (1)")] * 3]
    transaction = [execute("BEGIN"), execute("INSERT INTO several VALUES (2)"), execute("COMMIT")]
    body = json.dumps({"requests": [*requests, *transaction, *transaction]}).encode()
    invocation = Invocation()
    http = HttpRequest("POST", "/main/v3/pipeline", JSON, body, OPERATOR)
    service.http.respond(http, Limits(), context=invocation)
    assert invocation.left_ms <= 50_000  # each request is told the time that is left
    response = send("/main/v3/pipeline", {"requests": [execute("SELECT a, count(*) FROM several GROUP BY a")]})
    assert rows(json.loads(response.body)["results"][0]) == [(1, 3), (2, 2)]


@pytest.mark.parametrize(("txid", "status"), [("1", 200), ("99", 404), ("x", 400)])
@pytest.mark.parametrize("first", ["SELECT a FROM t", "BEGIN"])
def test_an_older_state_than_the_client_knows_is_never_read(service, txid, status, first):
    body = json.dumps({"requests": [execute(first)]}).encode()
    http = HttpRequest("POST", "/orders/v3/pipeline", {**JSON, "x-sldb-min-txid": txid}, body, OPERATOR)
    assert service.http.respond(http, Limits()).status == status


@pytest.mark.parametrize("place", ["v3/pipeline", "v3/cursor", "v2/pipeline"])
@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", "/main/", {"content-type": "text/plain"}, b"{}", 415),
        ("POST", "/main/", {**JSON, "x-sldb-min-txid": "x"}, b"{}", 400),
        ("POST", "/main/", JSON, b" " * 101, 413),
        ("POST", "/main/", JSON, b"{", 400),
        ("POST", "/absent/", JSON, b'{"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1"}}]}', 404),
        ("POST", "/", JSON, b'{"requests": []}', 403),
        ("GET", "/main/", JSON, b"", 405),
    ],
)
def test_a_failure_has_its_text_where_clients_look_for_it(service, place, method, path, headers, body, status):
    if status == 404 and place.endswith("cursor"):
        body = b'{"batch": {"steps": [{"stmt": {"sql": "SELECT 1"}}]}}'
    caller = Caller("ada", frozenset({"a", "b"})) if status == 403 else OPERATOR
    response = service.http.respond(HttpRequest(method, path + place, headers, body, caller), Limits(100))
    failed = json.loads(response.body)
    assert (response.status, set(failed)) == (status, {"error", "message", "code"})
    assert isinstance(failed["error"], str)
    assert failed["error"] == failed["message"]
    assert failed["code"] == "SERVER_ERROR"
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/main/v3", "/v3", "/orders/v2", "/v2"])
def test_probes_of_the_versions(send, path):
    assert send(path, {}, "GET").status == 200
    assert send(path, {}, "POST").status == 405


@pytest.mark.parametrize("path", ["/main/v3-protobuf", "/v3-protobuf", "/main/v1/execute", "/v1", "/main/v4/pipeline"])
def test_versions_that_there_are_not(send, path):
    """libSQL's client for JavaScript asks for v3-protobuf, without a token, and then takes version 2."""
    assert {send(path, {}, method).status for method in ("GET", "POST")} == {404}
