"""`sldb serve` from the side of an attacker with a socket: what is sent is answered or dropped, and none of it runs."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from lambda_handlers.wire import SldbError
from sldb.http.server import HttpServer
from tests.fakes.local_http import served

WRITE = json.dumps({"query": "CREATE TABLE pwned (a)"}).encode()
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(WRITE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    with served(tmp_path_factory.mktemp("db")) as server:
        yield server


def exchange(server: HttpServer, sent: bytes) -> bytes:
    """Send bytes and the end of the stream; return everything that is answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # it has closed the connection already
            pass
        answered = b""
        try:
            while piece := connection.recv(1 << 16):
                answered += piece
        except ConnectionError:
            pass
        return answered


def post(
    body: bytes, *lines: bytes, path: bytes = b"/query", method: bytes = b"POST", version: bytes = b"HTTP/1.1"
) -> bytes:
    return b"%s %s %s\r\n%sConnection: close\r\n\r\n%s" % (method, path, version, b"".join(lines), body)


ATTACKS = {
    "no host": post(WRITE, JSON, LENGTH),
    "http 1.0 without host": post(WRITE, JSON, LENGTH, version=b"HTTP/1.0"),
    "a host of its own": post(WRITE, b"Host: evil.example\r\n", JSON, LENGTH),
    "an absolute address": post(WRITE, b"Host: evil.example\r\n", JSON, LENGTH, path=b"http://localhost/query"),
    "two hosts": post(WRITE, HOST, b"Host: evil.example\r\n", JSON, LENGTH),
    "no content type": post(WRITE, HOST, LENGTH),
    "text": post(WRITE, HOST, b"Content-Type: text/plain\r\n", LENGTH),
    "two content types": post(WRITE, HOST, b"Content-Type: text/plain\r\n", JSON, LENGTH),
    "an origin": post(WRITE, HOST, JSON, LENGTH, b"Origin: http://evil.example\r\n"),
    "no origin, and another one": post(WRITE, HOST, JSON, LENGTH, b"Origin: null\r\n"),
    "no length": post(WRITE, HOST, JSON),
    "a negative length": post(WRITE, HOST, JSON, b"Content-Length: -1\r\n"),
    "two lengths": post(WRITE, HOST, JSON, LENGTH, b"Content-Length: 5\r\n"),
    "a length beyond the limit": post(WRITE, HOST, JSON, b"Content-Length: 99999999999\r\n"),
    "a length of many digits": post(WRITE, HOST, JSON, b"Content-Length: " + b"9" * 5000 + b"\r\n"),
    "length and chunks": post(WRITE, HOST, JSON, LENGTH, b"Transfer-Encoding: chunked\r\n"),
    "broken chunks": post(b"zz\r\n" + WRITE, HOST, JSON, b"Transfer-Encoding: chunked\r\n"),
    "a negative chunk": post(b"-5\r\n" + WRITE, HOST, JSON, b"Transfer-Encoding: chunked\r\n"),
    "another transfer encoding": post(WRITE, HOST, JSON, LENGTH, b"Transfer-Encoding: gzip\r\n"),
    "a compressed body": post(WRITE, HOST, JSON, LENGTH, b"Content-Encoding: gzip\r\n"),
    "a truncated body": post(WRITE[:-1], HOST, JSON, LENGTH),
    "a header of a megabyte": post(WRITE, HOST, JSON, LENGTH, b"X: " + b"x" * (1 << 20) + b"\r\n"),
    "ten thousand headers": post(WRITE, HOST, JSON, LENGTH, *(b"X-%d: 1\r\n" % n for n in range(10_000))),
    "a folded header": post(WRITE, HOST, b"Content-Type:\r\n application/json\r\n", LENGTH + b"Origin: a\r\n"),
    "a space before the colon": post(WRITE, HOST, b"Content-Type : application/json\r\n", LENGTH),
    "a header with an underscore": post(WRITE, HOST, b"Content_Type: application/json\r\n", LENGTH),
    "a bare line feed": post(WRITE, HOST, JSON, LENGTH).replace(b"\r\n", b"\n"),
    "a zero byte in the path": post(WRITE, HOST, JSON, LENGTH, path=b"/query\x00"),
    "a path that leaves": post(WRITE, HOST, JSON, LENGTH, path=b"/../query"),
    "an encoded path that leaves": post(WRITE, HOST, JSON, LENGTH, path=b"/%2e%2e/query"),
    "a long path": post(WRITE, HOST, JSON, LENGTH, path=b"/" + b"a" * 100_000 + b"/query"),
    "GET with a body": post(WRITE, HOST, JSON, LENGTH, method=b"GET"),
    "PUT": post(WRITE, HOST, JSON, LENGTH, method=b"PUT"),
    "a method of its own": post(WRITE, HOST, JSON, LENGTH, method=b"QUERY"),
    "a method in lower case": post(WRITE, HOST, JSON, LENGTH, method=b"post"),
    "a method that is overridden": post(WRITE, HOST, JSON, LENGTH, b"X-HTTP-Method-Override: POST\r\n", method=b"GET"),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + WRITE,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /query\r\n",
    "half a request": b"POST /query HTT",
    "nothing": b"",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_writes_nothing(server: HttpServer, attack: bytes) -> None:
    answered = exchange(server, attack)
    if answered:
        status = int(answered.split(b" ", 2)[1])
        assert 400 <= status < 600
    names = json.dumps({"query": "SELECT name FROM sqlite_schema"}).encode()
    found = exchange(server, post(names, HOST, JSON, b"Content-Length: %d\r\n" % len(names)))
    assert found.startswith(b"HTTP/1.1 200 ")
    assert json.loads(found.partition(b"\r\n\r\n")[2])["rows"] == []


def test_chunks_are_a_body(server: HttpServer) -> None:
    event = b'{"query": "SELECT 1"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in event) + b"0\r\n\r\n"
    answered = exchange(server, post(chunks, HOST, JSON, b"Transfer-Encoding: chunked\r\n"))
    assert answered.startswith(b"HTTP/1.1 200 ")


def test_a_port_that_is_taken(server: HttpServer) -> None:
    with pytest.raises(SldbError, match="cannot listen"):
        HttpServer(lambda *_: [], "127.0.0.1", server.port)  # type: ignore[arg-type]
