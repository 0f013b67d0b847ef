"""The routes of the HTTP API over a real service: paths, methods, statuses, headers, and the database of a path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.http.messages import HttpRequest, HttpResponse, Limits
from lambda_handlers.http.routes.front import root_database
from lambda_handlers.service import Service
from lambda_handlers.wire import SldbError
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

JSON = {"content-type": "application/json"}


@dataclass
class Site:
    service: Service

    def send(
        self,
        method: str,
        path: str,
        body: object = b"",
        headers: Mapping[str, str] = JSON,
        caller: Caller = OPERATOR,
    ) -> HttpResponse:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.service.http.respond(HttpRequest(method, path, headers, sent, caller), Limits(body_bytes=10_000))

    def post(self, path: str, body: object, headers: Mapping[str, str] = {}, caller: Caller = OPERATOR) -> HttpResponse:
        return self.send("POST", path, body, {**JSON, **headers}, caller)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    service = container(memory_store())
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES ('main')")
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES ('orders')", database="orders")
    yield Site(service)
    service.close()


def body_of(response: HttpResponse) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(response.body)
    return decoded


def code_of(response: HttpResponse) -> str:
    return str(body_of(response)["error"]["code"])


QUERY = {"query": "SELECT a FROM t"}


@pytest.mark.parametrize(
    ("path", "database"),
    [
        ("/query", "main"),
        ("/read", "main"),
        ("/main/query", "main"),
        ("/orders/query", "orders"),
        ("/orders/read", "orders"),
        ("/orders/read/", "orders"),
        ("/", "main"),
    ],
)
def test_the_path_names_the_database(site: Site, path: str, database: str) -> None:
    response = site.post(path, QUERY)
    assert response.status == 200
    assert body_of(response)["rows"] == [[database]]
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-sldb-txid"] == str(body_of(response)["txid"])


@pytest.mark.parametrize("path", ["/query", "/main/query", "/main/read"])
def test_a_body_for_another_database_than_the_paths_is_refused(site: Site, path: str) -> None:
    response = site.post(path, {**QUERY, "database": "orders"})
    assert (response.status, code_of(response)) == (400, "bad_request")
    action = site.post(path, {"action": "history", "database": "orders"})
    assert (action.status, code_of(action)) == (400, "bad_request")
    assert site.post(path, {**QUERY, "database": "main"}).status == 200


def test_an_event_at_the_root_has_its_own_database(site: Site) -> None:
    assert body_of(site.post("/", {**QUERY, "database": "orders"}))["rows"] == [["orders"]]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "query",
        "//query",
        "//main/query",
        "/main/query//",
        "/nothing",
        "/main",
        "/main/",
        "/main/query/more",
        "/main//query",
        "/Main/query",
        "/ma%69n/query",
        "/../query",
        "/main/../query",
        "/main/Query",
        "/.well-known/x",
        "/\x00/query",
        "/" + "a" * 64 + "/query",
        "/é/query",
    ],
)
def test_there_is_no_other_route(site: Site, path: str) -> None:
    response = site.post(path, QUERY)
    assert (response.status, code_of(response)) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "post", ""])
@pytest.mark.parametrize("path", ["/", "/query", "/main/read"])
def test_a_wrong_method_shows_the_right_one(site: Site, path: str, method: str) -> None:
    response = site.send(method, path, QUERY)
    assert (response.status, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
        "text/plain, application/json",
    ],
)
def test_only_json_is_read(site: Site, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    response = site.send("POST", "/query", {"query": "INSERT INTO t VALUES ('never')"}, headers)
    assert (response.status, code_of(response)) == (415, "bad_request")
    if kind:
        assert site.send("POST", "/query", QUERY, {**headers, "authorization": "Bearer x"}).status == 415


@pytest.mark.parametrize(("path", "sent"), [("/query", QUERY), ("/main/v3/pipeline", {"requests": []})])
def test_a_request_with_authorization_needs_no_type(site: Site, path: str, sent: object) -> None:
    """libSQL's clients in Rust send none, and Authorization always, without a token too."""
    for headers in ({"authorization": "Bearer "}, {"authorization": "Bearer x", "content-type": ""}):
        assert site.send("POST", path, sent, headers).status == 200


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", " application/json ;a=b"])
def test_json_with_parameters_is_json(site: Site, kind: str) -> None:
    assert site.send("POST", "/query", QUERY, {"content-type": kind}).status == 200


def test_a_compressed_body_is_refused(site: Site) -> None:
    assert site.post("/query", QUERY, {"content-encoding": "gzip"}).status == 415


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 5000, b"null", b"[]", b'"a"', b"{}", b'{"query": 4}', b"1" * 5000]
)
@pytest.mark.parametrize("path", ["/", "/query", "/orders/read"])
def test_a_body_that_is_no_request(site: Site, path: str, body: bytes) -> None:
    response = site.send("POST", path, body)
    assert (response.status, code_of(response)) == (400, "bad_request")


def test_a_body_beyond_the_limit(site: Site) -> None:
    response = site.post("/query", {"query": "SELECT 1", "message": "x" * 10_000})
    assert (response.status, code_of(response)) == (413, "too_large")


@given(st.text(max_size=30), st.text(max_size=30), st.binary(max_size=60))
def test_nothing_that_is_sent_is_a_bug(site: Site, method: str, path: str, body: bytes) -> None:
    for sent in (site.send(method, path, body), site.send("POST", "/" + path, body), site.send("POST", "/query", body)):
        assert 200 <= sent.status < 500


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_tells_nothing(site: Site, method: str) -> None:
    response = site.send(method, "/health", b"", {}, Caller("ada", frozenset(), may_write=False))
    assert (response.status, body_of(response)) == (200, {"status": "ok"})
    assert set(response.headers) == {"content-type", "cache-control"}


@pytest.mark.parametrize(
    ("databases", "root"),
    [
        (None, "main"),
        ({"main"}, "main"),
        ({"main", "a"}, "main"),
        ({"orders"}, "orders"),
        ({"a", "b"}, None),
        (set(), None),
    ],
)
def test_the_root_is_a_database_that_the_caller_meant(databases: set[str] | None, root: str | None) -> None:
    caller = Caller("ada", None if databases is None else frozenset(databases))
    if root is not None:
        assert root_database(caller) == root
        return
    with pytest.raises(SldbError) as caught:
        root_database(caller)
    assert caught.value.code == "forbidden"


def test_a_caller_of_one_database_reaches_it_at_the_root(site: Site) -> None:
    caller = Caller("ada", frozenset({"orders"}))
    for path in ("/", "/query", "/read", "/orders/query"):
        assert body_of(site.post(path, QUERY, caller=caller))["rows"] == [["orders"]]
    for path, sent in (("/main/query", QUERY), ("/", {**QUERY, "database": "main"})):
        response = site.post(path, sent, caller=caller)
        assert (response.status, code_of(response)) == (403, "forbidden")
