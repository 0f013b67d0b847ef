"""A socket to a host: straight, or through a forward proxy, with TLS to the host, to the proxy, to both or to none.

TLS to a host behind a proxy goes through a tunnel (CONNECT), unreadable for the proxy. A proxy that speaks TLS itself
needs TLS within TLS. Python's sockets cannot do that: `TlsOverTls` keeps the inner one in memory. This module and its
imports are loaded with the first connection.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any
from urllib.parse import SplitResult

_PIECE_BYTES = 1 << 16
_OK = 200


def connect(
    host: SplitResult,
    proxy: SplitResult | None,
    authorization: str | None,  # for the proxy
    context: Callable[[], ssl.SSLContext],  # called if there is TLS
    seconds: float,
) -> socket.socket | TlsOverTls:
    """Connect. Raises OSError, HTTPException or ValueError on failure; nothing of a request was sent then."""
    place = proxy or host
    link: socket.socket = socket.create_connection((place.hostname, _port(place)), seconds)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.scheme == "https":
            link = context().wrap_socket(link, server_hostname=place.hostname)
        if proxy is None or host.scheme == "http":
            return link
        _open_tunnel(link, host, authorization)
        if proxy.scheme == "https":
            return TlsOverTls(link, context(), str(host.hostname))
        return context().wrap_socket(link, server_hostname=host.hostname)
    except BaseException:
        link.close()
        raise


def _open_tunnel(link: socket.socket, host: SplitResult, authorization: str | None) -> None:
    name = f"[{host.hostname}]" if ":" in str(host.hostname) else host.hostname
    lines = [f"CONNECT {name}:{_port(host)} HTTP/1.1", f"Host: {name}:{_port(host)}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    link.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    response = HTTPResponse(link, method="CONNECT")
    try:
        response.begin()
        if response.status != _OK:
            raise OSError(f"the proxy refused: {response.status} {response.reason}".rstrip())
    finally:
        response.close()


def _port(place: SplitResult) -> int:
    return place.port or (443 if place.scheme == "https" else 80)


class TlsOverTls:
    """The part of a socket's interface that http.client uses."""

    def __init__(self, link: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._link = link
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._readers = 0
        self._is_closed = False
        self._run_step(self._tls.do_handshake)

    def sendall(self, data: Any) -> None:
        with memoryview(data).cast("B") as whole:
            for start in range(0, len(whole), _PIECE_BYTES):
                self._run_step(self._tls.write, whole[start : start + _PIECE_BYTES])

    def recv_into(self, buffer: memoryview) -> int:
        try:
            return int(self._run_step(self._tls.read, len(buffer), buffer))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - "rb", always
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def settimeout(self, seconds: float | None) -> None:
        self._link.settimeout(seconds)

    def fileno(self) -> int:
        return self._link.fileno()

    def close(self) -> None:
        """Close the link, after its last reader, as sockets do."""
        self._is_closed = True
        if not self._readers:
            self._link.close()

    def release(self) -> None:
        self._readers -= 1
        if self._is_closed:
            self.close()

    def _run_step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Take a step of the inner TLS, and move its bytes to and from the link."""
        while True:
            try:
                result = step(*arguments)
            except ssl.SSLWantReadError:
                self._link.sendall(self._outgoing.read())
                piece = self._link.recv(_PIECE_BYTES)
                if piece:
                    self._incoming.write(piece)
                else:
                    self._incoming.write_eof()
            else:
                self._link.sendall(self._outgoing.read())
                return result


class _Reader(io.RawIOBase):
    def __init__(self, source: TlsOverTls) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._source.release()
