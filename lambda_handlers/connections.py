"""HTTP/1.1 connections to one host, kept for the next request. Safe for threads: who sends has a connection to itself.

http.client and its certificates are loaded when the first request is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from ssl import SSLContext

CONNECT_SECONDS = 3.0
IDLE_SECONDS = 15.0  # how long a connection is worth keeping; S3 drops them soon after


class NoAnswer(Exception):
    """Nobody there, or half an answer: whether the request was applied is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Connections:
    def __init__(self, host: str, tls: bool, answer_seconds: float, now: Callable[[], float] = time.time) -> None:
        self._host = host  # with the port, where it is not the usual one
        self._tls = tls
        self._answer_seconds = answer_seconds
        self._now = now
        self._context: SSLContext | None = None
        self._idle: list[tuple[HTTPConnection, float]] = []  # with the time of its last answer

    def send(self, method: str, target: str, body: bytes | IO[bytes], headers: Mapping[str, str]) -> Answer:
        """Raises NoAnswer. Sends once."""
        from http.client import HTTPException

        connection = None
        try:
            connection = self._take() or self._connect()
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, HTTPException) as error:
            if connection is not None:
                connection.close()
            raise NoAnswer(f"{self._host}: {error or type(error).__name__}") from error
        if response.will_close:
            connection.close()
        else:
            self._idle.append((connection, self._now()))
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)

    def close(self) -> None:
        """Of what idles; a request that comes after connects again."""
        while self._idle:
            self._idle.pop()[0].close()

    def _take(self) -> HTTPConnection | None:
        while True:
            try:
                connection, answered_at = self._idle.pop()
            except IndexError:
                return None
            if abs(self._now() - answered_at) < IDLE_SECONDS and not _is_dropped(connection):
                return connection
            connection.close()

    def _connect(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        connection = (
            HTTPSConnection(self._host, timeout=CONNECT_SECONDS, context=self._certificates())
            if self._tls
            else HTTPConnection(self._host, timeout=CONNECT_SECONDS)
        )
        connection.connect()
        connection.sock.settimeout(self._answer_seconds)
        return connection

    def _certificates(self) -> SSLContext:
        """Whom to trust: read once, for it takes 20 ms."""
        from ssl import create_default_context

        if self._context is None:
            self._context = create_default_context()
        return self._context


def _is_dropped(connection: HTTPConnection) -> bool:
    """An idle connection with something to read has been closed by the other side, or makes no sense."""
    import selectors

    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))
