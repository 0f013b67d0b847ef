"""HTTP/1.1 connections to one host, kept for the next request. Safe for threads: each request has its own connection.

Behind a proxy, TLS goes through a tunnel (CONNECT), and a plain request contains the full URL. http.client and its
certificates are loaded with the first request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from lambda_handlers.shared import proxies
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.endpoints import Endpoint, is_aws_host

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from ssl import SSLContext, SSLSocket

CONNECT_SECONDS = 3.0
TUNNEL_SECONDS = 10.0  # to connect through a proxy, which may go through further proxies
IDLE_SECONDS = 15.0  # how long a connection is worth keeping; S3 drops them soon after


class NoAnswer(Exception):
    """An incomplete answer, or none: whether the request was applied is unknown."""


class Unreached(NoAnswer):
    """A failure to connect: no connection, an untrusted one, or a refusing proxy. Nothing was sent."""


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
        self._is_narrow = False  # the context knows the roots of AWS alone
        self._idle: list[tuple[HTTPConnection, float]] = []  # with the time of its last answer
        self._ahead: Thread | None = None  # it connects for the next request

    def send(
        self,
        method: str,
        target: str,
        body: bytes | IO[bytes],
        headers: Mapping[str, str],
        answer_seconds: float | None = None,
    ) -> Answer:
        """Send a request once. Raises NoAnswer, or Unreached if nothing was sent."""
        from http.client import HTTPException

        connection = self._ready(answer_seconds or self._answer_seconds)
        if self._proxy and self._url.scheme == "http":
            target = f"http://{self.host}{target}"
            headers = {**headers, **self._proxy_headers()}
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

    def open_ahead(self) -> None:
        """Begin to connect in the background, for the next request. A failure is left to that request."""
        self._ahead = Thread(target=self._open, name="connect", daemon=True)
        self._ahead.start()

    def close(self) -> None:
        """Close the idle connections; a later request connects again."""
        self._wait_for_ahead(TUNNEL_SECONDS)
        while self._idle:
            self._idle.pop()[0].close()

    def _ready(self, answer_seconds: float) -> HTTPConnection:
        from http.client import HTTPException

        self._wait_for_ahead(answer_seconds)
        connection = self._take()
        try:
            connection = connection or self._connect(answer_seconds)
        except (OSError, HTTPException, ValueError) as error:
            raise Unreached(f"{self._where()}: {error or type(error).__name__}") from error
        connection.sock.settimeout(answer_seconds)
        return connection

    def _open(self) -> None:
        began_at = self._now()  # a container that is frozen meanwhile comes back to an old connection
        with suppress(Exception):  # the next request meets it, and reports it
            self._idle.append((self._connect(TUNNEL_SECONDS), began_at))

    def _wait_for_ahead(self, seconds: float) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.join(seconds)

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
        from ssl import SSLCertVerificationError

        try:
            return self._connect_once(answer_seconds)
        except SSLCertVerificationError:
            if not self._is_narrow:
                raise
        from lambda_handlers.aws import trust

        self._context, self._is_narrow = trust.trusting(self._ca_bundle), False
        return self._connect_once(answer_seconds)

    def _connect_once(self, answer_seconds: float) -> HTTPConnection:
        from http.client import HTTPConnection

        from lambda_handlers.aws.tunnel import connect

        seconds = min(TUNNEL_SECONDS if self._proxy else CONNECT_SECONDS, answer_seconds)
        connection = HTTPConnection(self.host)
        connection.sock = connect(self._url, self._proxy, self._authorization, self._certificates, seconds)
        return connection

    def _proxy_headers(self) -> dict[str, str]:
        return {"Proxy-Authorization": self._authorization} if self._authorization else {}

    def _where(self) -> str:
        return f"{self.host} through the proxy {self._proxy.hostname}" if self._proxy else self.host

    def _certificates(self) -> SSLContext:
        """Return the trusted certificates, which are read once."""
        from lambda_handlers.aws import trust

        if self._context is None:
            is_usual = self._ca_bundle is None and self._proxy is None and is_aws_host(self._url.hostname or "")
            narrow = trust.trusting_aws() if is_usual else None
            self._context, self._is_narrow = narrow or trust.trusting(self._ca_bundle), narrow is not None
        return self._context


def _is_dropped(connection: HTTPConnection) -> bool:
    """Return True for an idle connection with bytes of an answer to read, or their end: it was closed by the other
    side, or is out of sync."""
    import selectors
    from ssl import SSLSocket

    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        has_bytes = bool(selector.select(0))
    return has_bytes and not (isinstance(connection.sock, SSLSocket) and _has_nothing_to_say(connection.sock))


def _has_nothing_to_say(sock: SSLSocket) -> bool:
    """Return True if the bytes are TLS's own, such as the tickets that follow a handshake."""
    from ssl import SSLWantReadError

    sock.settimeout(0)
    try:
        sock.recv(1)
    except SSLWantReadError:
        return True
    except OSError:
        pass
    return False
