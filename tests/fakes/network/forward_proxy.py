"""A forward proxy on loopback, as companies have them: CONNECT for TLS, absolute URLs for plain HTTP.

    with serve_proxy(("127.0.0.1", port)) as proxy:
        proxy.seen         what it was asked for: "CONNECT host:443", "PUT http://host/key"
        proxy.user = "user:password"   wanted from now on: 407 without it
        proxy.refuses = 403            says no to all

Requests for any host go to `upstream`. With a certificate, the proxy itself speaks TLS.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PIECE_BYTES = 1 << 16


class ForwardProxy:
    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.url = ""
        self.user = ""
        self.refuses = 0  # the status
        self.seen: list[str] = []

    @property
    def hosts(self) -> set[str]:
        """The requested hosts, without ports."""
        return {urlsplit(place if "//" in place else f"//{place}").hostname or "" for place in self._places()}

    def url_for(self, user: str) -> str:
        scheme, _, place = self.url.partition("://")
        return f"{scheme}://{user}@{place}"

    def _places(self) -> list[str]:
        return [told.split(" ", 1)[1] for told in self.seen]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: ForwardProxy

    def do_CONNECT(self) -> None:
        if not self._lets_through():
            return
        with socket.create_connection(self.proxy.upstream) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(self.connection, there)
        self.close_connection = True

    def go(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self._lets_through():
            return
        url = urlsplit(self.path)
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        there = HTTPConnection(*self.proxy.upstream)
        target = f"{url.path}?{url.query}" if url.query else url.path
        there.request(self.command, target, body, headers)
        answer = there.getresponse()
        text = answer.read()
        told = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
        self.wfile.write(f"HTTP/1.1 {answer.status} {answer.reason}\r\n{told}\r\n".encode() + text)
        there.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = go  # noqa: N815 - the base class's names

    def _lets_through(self) -> bool:
        self.proxy.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        wanted = f"Basic {b64encode(self.proxy.user.encode()).decode()}" if self.proxy.user else None
        status = self.proxy.refuses or (407 if wanted and self.headers.get("Proxy-Authorization") != wanted else 0)
        if status:
            self.wfile.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            self.close_connection = True
        return not status

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore closed connections."""


@contextmanager
def serve_proxy(upstream: tuple[str, int], certificate: Path | None = None) -> Iterator[ForwardProxy]:
    proxy = ForwardProxy(upstream)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(("127.0.0.1", 0), handler) as server:
        if certificate:
            wrap(server, certificate)
        proxy.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def wrap(server: ThreadingHTTPServer, certificate: Path) -> None:
    """Have a server speak TLS; the handshake is the connection's own thread's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


def _relay(here: socket.socket, there: socket.socket) -> None:
    ends = {here: there, there: here}
    with suppress(OSError):
        while True:
            pending = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
            for end in pending or select.select(list(ends), [], [])[0]:
                piece = end.recv(_PIECE_BYTES)
                if not piece:
                    return
                ends[end].sendall(piece)
