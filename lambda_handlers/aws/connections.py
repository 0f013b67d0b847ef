"""HTTP/1.1 connections to one host, kept for the next request. Safe for threads: who sends has a connection to itself.

Where a proxy is on the way, TLS goes through a tunnel of it (CONNECT), and what is plain asks it for the whole address.
http.client and its certificates are loaded when the first request is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from lambda_handlers.shared import proxies
from lambda_handlers.shared.endpoints import Endpoint

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from ssl import SSLContext

CONNECT_SECONDS = 3.0
TUNNEL_SECONDS = 10.0  # to connect where a proxy does it for us, which may ask others first
IDLE_SECONDS = 15.0  # how long a connection is worth keeping; S3 drops them soon after


class NoAnswer(Exception):
    """Half an answer, or none: whether the request was applied is not known."""


class Unreached(NoAnswer):
    """No connection, or none that is trusted, or a proxy that lets nothing through: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Connections:
    def __init__(
        self,
        endpoint: Endpoint,
        answer_seconds: float,
        now: Callable[[], float] = time.time,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._url = urlsplit(endpoint.url)
        self.host = self._url.netloc.rpartition("@")[2]  # with the port, where it is not the usual one
        self._proxy = urlsplit(endpoint.proxy_url) if endpoint.proxy_url else None
        self._authorization = proxies.authorization(endpoint.proxy_url) if endpoint.proxy_url else None
        self._ca_bundle = endpoint.ca_bundle
        self._answer_seconds = answer_seconds
        self._idle_seconds = idle_seconds
        self._now = now
        self._context: SSLContext | None = None
        self._idle: list[tuple[HTTPConnection, float]] = []  # with the time of its last answer

    def send(
        self,
        method: str,
        target: str,
        body: bytes | IO[bytes],
        headers: Mapping[str, str],
        answer_seconds: float | None = None,
    ) -> Answer:
        """Raises NoAnswer, or Unreached where nothing was sent. Sends once."""
        from http.client import HTTPException

        connection = self._ready(answer_seconds or self._answer_seconds)
        if self._proxy and self._url.scheme == "http":
            target = f"http://{self.host}{target}"
            headers = {**headers, **self._known_to_proxy()}
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise NoAnswer(f"{self.host}: {error or type(error).__name__}") from error
        if response.will_close:
            connection.close()
        else:
            self._idle.append((connection, self._now()))
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)

    def close(self) -> None:
        """Of what idles; a request that comes after connects again."""
        while self._idle:
            self._idle.pop()[0].close()

    def _ready(self, answer_seconds: float) -> HTTPConnection:
        from http.client import HTTPException

        connection = self._take()
        try:
            connection = connection or self._connect(answer_seconds)
        except (OSError, HTTPException, ValueError) as error:
            raise Unreached(f"{self._where()}: {error or type(error).__name__}") from error
        connection.sock.settimeout(answer_seconds)
        return connection

    def _take(self) -> HTTPConnection | None:
        while True:
            try:
                connection, answered_at = self._idle.pop()
            except IndexError:
                return None
            if abs(self._now() - answered_at) < self._idle_seconds and not _is_dropped(connection):
                return connection
            connection.close()

    def _connect(self, answer_seconds: float) -> HTTPConnection:
        from http.client import HTTPConnection

        from lambda_handlers.aws.tunnel import connect

        seconds = min(TUNNEL_SECONDS if self._proxy else CONNECT_SECONDS, answer_seconds)
        connection = HTTPConnection(self.host)
        connection.sock = connect(self._url, self._proxy, self._authorization, self._certificates, seconds)
        return connection

    def _known_to_proxy(self) -> dict[str, str]:
        return {"Proxy-Authorization": self._authorization} if self._authorization else {}

    def _where(self) -> str:
        return f"{self.host} by way of the proxy {self._proxy.hostname}" if self._proxy else self.host

    def _certificates(self) -> SSLContext:
        """Whom to trust: read once, for it takes 20 ms."""
        from ssl import create_default_context

        if self._context is None:
            self._context = create_default_context(cafile=self._ca_bundle)
        return self._context


def _is_dropped(connection: HTTPConnection) -> bool:
    """An idle connection with something to read has been closed by the other side, or makes no sense."""
    import selectors

    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))
