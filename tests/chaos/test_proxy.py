"""The proxy does to a connection what it says."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException

import pytest

from tests.chaos import proxy as module
from tests.chaos.proxy import Proxy

BODY = bytes(range(256)) * 8


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = 0

    def do_GET(self) -> None:
        Handler.served += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Connections that break are what this is about."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    Handler.served = 0
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        with Proxy("127.0.0.1", server.server_port) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


def get(proxy: Proxy, timeout: float = 5.0) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=timeout)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_what_passes(proxy: Proxy) -> None:
    assert get(proxy) == (200, BODY)
    assert not proxy.seen


@pytest.mark.parametrize(("mode", "served"), [("refuse", 0), ("reset", 1), ("cut", 1)])
def test_what_breaks_the_connection(proxy: Proxy, mode: str, served: int) -> None:
    proxy.behave(mode)
    with pytest.raises((OSError, HTTPException)):
        get(proxy)
    assert (Handler.served, proxy.seen[mode]) == (served, 1)
    proxy.behave("pass")
    assert get(proxy) == (200, BODY)


def test_what_takes_its_time(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRICKLE_SECONDS", 0.01)
    proxy.behave("trickle")
    started = time.monotonic()
    assert get(proxy) == (200, BODY)
    assert time.monotonic() - started > len(BODY) / module.TRICKLE_BYTES * 0.01


def test_what_never_answers(proxy: Proxy) -> None:
    proxy.behave("hang")
    with pytest.raises(TimeoutError):
        get(proxy, timeout=0.2)
    assert Handler.served == 0


def test_what_is_unavailable(proxy: Proxy) -> None:
    proxy.behave("503")
    status, body = get(proxy)
    assert (status, b"SlowDown" in body, Handler.served) == (503, True, 0)


def test_who_is_connected_when_the_server_goes_away(proxy: Proxy) -> None:
    with closing(HTTPConnection("127.0.0.1", proxy.port, timeout=5)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().read() == BODY
        proxy.behave("refuse")
        with pytest.raises(ConnectionResetError):
            connection.sock.recv(1)
