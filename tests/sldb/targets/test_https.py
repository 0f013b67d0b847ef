"""The target `https://…`: over `sldb serve`, and over a front that fails, throttles and redirects."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.wire import (
    ROWS_ADDRESS,
    Action,
    Column,
    Reply,
    Request,
    Result,
    SldbError,
    Statement,
    StoredRows,
)
from sldb.aws.http import region_in
from sldb.aws.options import AwsOptions
from sldb.http.server import HttpServer
from sldb.targets.http_auth import HttpAuth
from sldb.targets.https import HttpsTarget
from tests.fakes.local_http import served

TOKEN = "0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "AWS_PROFILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    with served(tmp_path / "db", TOKEN) as server:
        yield server


def opened(url: str, token: str | None = TOKEN) -> HttpsTarget:
    return opened_with(url, HttpAuth("token", token))


def opened_with(url: str, auth: HttpAuth, aws: AwsOptions | None = None) -> HttpsTarget:
    return HttpsTarget(url, auth, aws or AwsOptions(), sleep=lambda _: None, read_seconds=30)


def request(query: str, **fields: Any) -> Request:
    return Request((Statement(query),), **fields)


def test_requests_actions_and_results(server: HttpServer) -> None:
    with closing(opened(server.url)) as target:
        assert target.send(request("CREATE TABLE t (a); INSERT INTO t VALUES (1)", request_id="once")).txid == 1
        assert target.send(request("CREATE TABLE t (a); INSERT INTO t VALUES (1)", request_id="once")).txid == 1
        assert target.send(request("SELECT a, x'00ff', 1e999 FROM t")).rows == [(1, b"\x00\xff", float("inf"))]
        assert target.send(request("CREATE TABLE u (a)", database="orders")).database == "orders"
        assert target.act(Action("history"))["txid"] == 1
        found, reply = target.result("main", "once")
        assert (found["state"], reply is not None and reply.txid) == ("applied", 1)
        with pytest.raises(SldbError) as caught:
            target.send(request("SELECT * FROM missing"))
        assert (caught.value.code, caught.value.details["reason"]) == ("sql_error", "no_such_table")


@pytest.mark.parametrize("token", [None, "another token".replace(" ", "_")])
def test_a_token_that_is_not_accepted(server: HttpServer, token: str | None) -> None:
    with closing(opened(server.url, token)) as target, pytest.raises(SldbError, match="token") as caught:
        target.send(request("CREATE TABLE t (a)"))
    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
    assert token is None or token not in caught.value.message + caught.value.hint


def test_an_address_where_nothing_listens(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        url = server.url
    with closing(opened(url)) as target, pytest.raises(SldbError) as caught:
        target.send(request("SELECT 1"))
    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")


Answer = tuple[int, dict[str, str], bytes]


class Front:
    """A server that gives these answers in turn, the last one again and again, and notes what it got."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.got: list[tuple[str, str | None, dict[str, Any]]] = []
        self.headers: list[Message] = []
        front = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                front.headers.append(self.headers)
                front.got.append((self.path, self.headers.get("Authorization"), json.loads(body or b"{}")))
                status, headers, answer = front.answers.pop(0) if len(front.answers) > 1 else front.answers[0]
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST  # noqa: N815 - the name is http.server's

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def front() -> Iterator[Callable[..., Front]]:
    fronts: list[Front] = []

    def make(*answers: Answer) -> Front:
        fronts.append(Front(*answers))
        return fronts[-1]

    yield make
    for one in fronts:
        one.close()


OK = (200, {}, json.dumps(Reply((Result(),), 7, "main").encode()).encode())
NOT_APPLIED = {"request_id": "r", "state": "not_applied", "since": None, "txid": None, "time": None, "reply": None}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_front_that_fails_is_asked_again_with_the_same_id(front: Callable[..., Front], status: int) -> None:
    site = front((status, {}, b'{"message": "Internal Server Error"}'), OK)
    with closing(opened(site.url + "/prod")) as target:
        assert target.send(request("INSERT INTO t VALUES (1)")).txid == 7
    (first, second) = site.got
    assert first[0] == "/prod/main/query"
    assert first[1] == f"Bearer {TOKEN}"
    assert first[2]["request_id"] == second[2]["request_id"]


@pytest.mark.parametrize(
    ("status", "code", "applied"),
    [(401, "store_error", "no"), (403, "store_error", "no"), (404, "store_error", "no"), (413, "too_large", "no"),
     (429, "store_error", "no"), (302, "store_error", "no"), (301, "store_error", "no"), (307, "store_error", "no")],
)  # fmt: skip
def test_a_front_that_refuses(front: Callable[..., Front], status: int, code: str, applied: str) -> None:
    other = front(OK)
    site = front((status, {"Location": other.url}, b'{"message": "no"}'))
    with closing(opened(site.url)) as target, pytest.raises(SldbError) as caught:
        target.send(request("INSERT INTO t VALUES (1)"))
    assert (caught.value.code, caught.value.details["applied"]) == (code, applied)
    assert other.got == []  # no redirect takes the token elsewhere


def test_a_write_without_an_answer_is_looked_up(front: Callable[..., Front]) -> None:
    applied = {**NOT_APPLIED, "state": "applied", "reply": json.loads(OK[2])}
    failure: Answer = (504, {}, b"")
    site = front(failure, failure, failure, failure, (200, {}, json.dumps(applied).encode()))
    with closing(opened(site.url)) as target:
        assert target.send(request("INSERT INTO t VALUES (1)")).txid == 7
    assert site.got[-1][2]["action"] == "result"


def test_a_write_whose_result_is_not_there_is_unknown(front: Callable[..., Front]) -> None:
    failure: Answer = (504, {}, b"")
    site = front(failure, failure, failure, failure, (200, {}, json.dumps(NOT_APPLIED).encode()))
    with closing(opened(site.url)) as target, pytest.raises(SldbError) as caught:
        target.send(request("INSERT INTO t VALUES (1)"))
    assert caught.value.details["applied"] == "unknown"


def test_a_large_reply_is_fetched_without_the_token(front: Callable[..., Front]) -> None:
    store = front(OK)
    site = front((303, {"Location": store.url + "/object"}, b""))
    with closing(opened(site.url)) as target:
        assert target.send(request("SELECT 1")).txid == 7
    assert [(path, token) for path, token, _ in store.got] == [("/object", None)]


def with_rows_at(address: str) -> Answer:
    result = Result((Column("a", None),), rowcount=2, stored=StoredRows(address, 2))
    return 200, {}, json.dumps(Reply((result,), 7, "orders").encode()).encode()


def test_rows_beyond_a_response_are_fetched_without_the_token(front: Callable[..., Front]) -> None:
    store = front((200, {}, gzip.compress(b"[1]\n[2]\n")))
    site = front(with_rows_at(store.url + "/rows"))
    with closing(opened(site.url)) as target:
        assert target.send(request("SELECT a FROM t", database="orders")).rows == [(1,), (2,)]
    assert [(path, token) for path, token, _ in store.got] == [("/rows", None)]
    assert site.headers[0]["x-sldb-links"] == "true"


def test_rows_of_a_store_without_urls_come_in_parts_from_the_front(front: Callable[..., Front]) -> None:
    file = gzip.compress(b"[1]\n[2]\n")
    parts = [json.dumps({"body": base64.b64encode(file[at : at + 9]).decode(), "size": len(file)}) for at in (0, 9, 18)]
    rest = json.dumps({"body": base64.b64encode(file[27:]).decode(), "size": len(file)})
    site = front(with_rows_at(f"{ROWS_ADDRESS}{'0' * 16}"), *((200, {}, part.encode()) for part in (*parts, rest)))
    with closing(opened(site.url)) as target:
        assert target.send(request("SELECT a FROM t", database="orders")).rows == [(1,), (2,)]
    asked = [(path, token, sent["arguments"]) for path, token, sent in site.got[1:]]
    bearer, rows_id = f"Bearer {TOKEN}", "0" * 16
    assert asked == [("/orders/query", bearer, {"id": rows_id, "start": at}) for at in range(0, len(file), 9)][:4]


@pytest.mark.parametrize("address", ["ftp://elsewhere/rows", "file:///etc/passwd", "/rows"])
def test_rows_come_from_no_other_kind_of_address(front: Callable[..., Front], address: str) -> None:
    site = front(with_rows_at(address))
    with closing(opened(site.url)) as target, pytest.raises(SldbError, match="not https"):
        target.send(request("SELECT a FROM t", database="orders"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>", b'{"rows": []}', b"null"])
def test_what_is_no_reply_of_sldb(front: Callable[..., Front], body: bytes) -> None:
    site = front((200, {}, body))
    with closing(opened(site.url)) as target, pytest.raises(SldbError, match="something else") as caught:
        target.send(request("SELECT 1"))
    assert caught.value.code == "internal"


def test_an_api_key_goes_in_its_header(front: Callable[..., Front]) -> None:
    site = front(OK)
    with closing(opened_with(site.url + "/sldb", HttpAuth("key", "k3y"))) as target:
        target.send(request("SELECT 1"))
    (headers,) = site.headers
    assert (headers["x-api-key"], headers["Authorization"]) == ("k3y", None)


@pytest.fixture
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-session")


@pytest.mark.usefixtures("_identity")
def test_each_send_has_a_signature_of_its_own(front: Callable[..., Front]) -> None:
    site = front((503, {}, b""), OK)
    with closing(opened_with(site.url, HttpAuth("iam"), AwsOptions(region="eu-west-1"))) as target:
        target.send(request("SELECT 1"))
    assert len(site.headers) == 2
    for headers in site.headers:
        signature = headers["Authorization"]
        assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
        assert "/eu-west-1/execute-api/aws4_request" in signature
        assert headers["X-Amz-Security-Token"] == "the-session"
        assert "the-secret-key" not in str(headers)


def test_a_signature_without_credentials_or_region(
    front: Callable[..., Front], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    site = front(OK)
    for options, lacks in ((AwsOptions(region="eu-west-1"), "credentials"), (AwsOptions(), "region")):
        with closing(opened_with(site.url, HttpAuth("iam"), options)) as target:
            with pytest.raises(SldbError, match=lacks) as caught:
                target.send(request("SELECT 1"))
            assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
    assert site.got == []


@pytest.mark.parametrize(
    ("url", "region"),
    [("https://abc123.execute-api.eu-west-1.amazonaws.com/sldb", "eu-west-1"),
     ("https://abc123.execute-api.cn-north-1.amazonaws.com.cn", "cn-north-1"),
     ("https://abc123-vpce-1f.execute-api.us-east-1.amazonaws.com:443", "us-east-1"),
     ("https://db.example.com", ""), ("http://127.0.0.1:4566/_execute-api/abc123", "")],
)  # fmt: skip
def test_the_region_in_an_address_of_api_gateway(url: str, region: str) -> None:
    assert region_in(url) == region


def test_a_quota_that_is_used_up_is_not_asked_again(front: Callable[..., Front]) -> None:
    site = front((429, {}, b'{"message": "Limit Exceeded"}'))
    with closing(opened_with(site.url, HttpAuth("key", "k"))) as target, pytest.raises(SldbError, match="quota"):
        target.send(request("SELECT 1"))
    assert len(site.got) == 1
