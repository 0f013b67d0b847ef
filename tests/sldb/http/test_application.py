"""`sldb serve` from the side of web pages: CORS, and what no page may do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sldb.http.server import HttpServer
from tests.fakes.local_http import served

APP = "https://app.example"
TOKEN = "0123456789abcdef"
JSON = {"Content-Type": "application/json"}
QUERY = json.dumps({"query": "SELECT 1 AS a"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    with served(tmp_path_factory.mktemp("db"), None, APP) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    with served(tmp_path_factory.mktemp("db"), TOKEN) as server:
        yield server


def send(
    server: HttpServer, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def test_a_request(server: HttpServer) -> None:
    status, headers, body = send(server, "POST", "/main/query", QUERY, Content_Type="application/json")
    assert (status, json.loads(body)["rows"]) == (200, [[1]])
    assert headers["x-sldb-txid"] == "0"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_a_page_of_a_permitted_origin(server: HttpServer) -> None:
    status, headers, _ = send(server, "POST", "/query", QUERY, Content_Type="application/json", Origin=APP)
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, APP, "origin")
    status, headers, body = send(server, "OPTIONS", "/query", Origin=APP, Access_Control_Request_Method="POST")
    assert (status, headers["access-control-allow-origin"], body) == (204, APP, b"")
    assert "content-type" in headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "GET"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"{APP}.evil.example"])
def test_no_other_page_learns_anything(server: HttpServer, method: str, origin: str) -> None:
    status, headers, _ = send(server, method, "/query", QUERY, Content_Type="application/json", Origin=origin)
    assert status == 403
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_page_may_send_without_asking_is_refused(server: HttpServer, kind: str) -> None:
    for path in ("/", "/query", "/main/read"):
        assert send(server, "POST", path, QUERY, Content_Type=kind)[0] == 415
        assert send(server, "POST", path, QUERY)[0] == 415


def test_without_the_token_only_health_answers(guarded: HttpServer) -> None:
    status, headers, _ = send(guarded, "POST", "/query", QUERY, **JSON)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert send(guarded, "OPTIONS", "/query", Origin=APP)[0] == 403
    assert send(guarded, "GET", "/nothing")[0] == 401
    assert send(guarded, "GET", "/health")[0] == 200
    assert send(guarded, "POST", "/query", QUERY, Authorization=f"Bearer {TOKEN}", **JSON)[0] == 200


def test_a_directory_of_its_own(tmp_path: Path) -> None:
    event = json.dumps({"query": "CREATE TABLE t (a); INSERT INTO t VALUES (1)"})
    for _ in range(2):
        with served(tmp_path) as server:
            assert send(server, "POST", "/query", event, Idempotency_Key="once", **JSON)[0] == 200
