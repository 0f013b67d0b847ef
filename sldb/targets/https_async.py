"""HTTP for the target `https://…` under asyncio: it waits in the event loop, without threads (`sldb.switching`).

What is sent, sent again and looked up is decided by `HttpsTarget`; this is its transport, HTTP/1.1 over the streams of
asyncio. It knows no proxies and signs nothing: `takes` leaves those to threads.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from sldb.aws.http import DOWNLOAD_PIECE_BYTES, DOWNLOAD_SECONDS, HttpReply, Unanswered
from sldb.switching import wait
from sldb.targets.https import HttpsTarget

if TYPE_CHECKING:
    from sldb.aws.options import AwsOptions

CONNECT_SECONDS = 60.0
MAX_HEAD_BYTES = 64 << 10
MAX_IDLE = 4  # connections
_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")  # variables with trusted certificates


def takes(target: str) -> bool:
    """Return True for a target that this can reach."""
    url = urlsplit(target)
    if url.scheme not in ("https", "http") or os.environ.get("SLDB_HTTP_AUTH") == "iam" or not find_spec("greenlet"):
        return False
    return url.scheme not in getproxies() or bool(proxy_bypass(url.hostname or ""))


def prepare(target: object) -> None:
    """Have a target send its requests by this transport."""
    if isinstance(target, HttpsTarget):
        target.go_through(AsyncHttp, lambda seconds: wait(asyncio.sleep(seconds)))


class AsyncHttp:
    """A transport like `sldb.aws.http.UrlHttp`, inside a function run by `switching.Greenlets`."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        options: AwsOptions,  # noqa: ARG002 - there are no proxies, and nothing is signed
        read_seconds: float,
        *,
        is_signed: bool = False,
    ) -> None:
        assert not is_signed
        self._url = url
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        self._read_seconds = read_seconds
        self._idle: list[_Line] = []

    def post(self, path: str, body: bytes) -> HttpReply:
        return wait(self._post(self._url + path, body))

    def download(self, url: str) -> Iterator[bytes]:
        try:
            answer = wait(_get(url))
        except (OSError, EOFError, ValueError, BotoCoreError, asyncio.TimeoutError) as error:
            raise OSError(f"no answer, or not all of it ({type(error).__name__})") from error
        try:
            while piece := wait(answer.next_piece()):
                yield piece
        finally:
            answer.line.close()

    def close(self) -> None:
        for line in self._idle:
            line.close()
        self._idle.clear()

    async def _post(self, url: str, body: bytes) -> HttpReply:
        line = await self._line(url)
        try:
            await line.send("POST", url, self._headers, body)
            answer = await line.receive(self._read_seconds)
            whole = b"".join([piece async for piece in answer.pieces()])
        except asyncio.TimeoutError as error:
            line.close()
            raise Unanswered(ReadTimeoutError(endpoint_url=self._url, error=error), was_sent=True) from error
        except (OSError, EOFError, ValueError) as error:
            line.close()
            raise Unanswered(ConnectionClosedError(endpoint_url=self._url), was_sent=True) from error
        except BaseException:
            line.close()
            raise
        if answer.ends_line or len(self._idle) >= MAX_IDLE:
            line.close()
        else:
            self._idle.append(line)
        return HttpReply(answer.status, answer.headers, whole)

    async def _line(self, url: str) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.is_open:
                return line
            line.close()
        try:
            return await _Line.open(url)
        except ssl.SSLError as error:
            raise Unanswered(SSLError(endpoint_url=self._url, error=error), was_sent=False) from error
        except (OSError, asyncio.TimeoutError) as error:
            raise Unanswered(EndpointConnectionError(endpoint_url=self._url, error=error), was_sent=False) from error


async def _get(url: str) -> _Answer:
    line = await _Line.open(url)
    try:
        await line.send("GET", url, {}, b"")
        answer = await line.receive(DOWNLOAD_SECONDS)
        if answer.status != 200:
            raise OSError(f"it answered {answer.status}")
    except BaseException:
        line.close()
        raise
    return answer


class _Line:
    """A connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> _Line:
        """Raise OSError or TimeoutError."""
        where = urlsplit(url)
        bundle = next((os.environ[name] for name in _BUNDLES if os.environ.get(name)), None)
        context = ssl.create_default_context(cafile=bundle) if where.scheme == "https" else None
        port = where.port or (443 if context else 80)
        opening = asyncio.open_connection(where.hostname, port, ssl=context, limit=MAX_HEAD_BYTES)
        return cls(*await asyncio.wait_for(opening, CONNECT_SECONDS))

    @property
    def is_open(self) -> bool:
        return not (self.reader.at_eof() or self._writer.is_closing())

    async def send(self, verb: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        where = urlsplit(url)
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        given = {"Host": where.netloc, **headers, **({"Content-Length": str(len(body))} if verb == "POST" else {})}
        head = f"{verb} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self._writer.write(head.encode("latin-1") + b"\r\n" + body)
        await self._writer.drain()

    async def receive(self, read_seconds: float) -> _Answer:
        """Return the answer, without its body. Raises OSError, EOFError, ValueError or TimeoutError."""
        try:
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), read_seconds)
        except asyncio.LimitOverrunError as error:
            raise ValueError("too long a head") from error
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return _Answer(self, int(first.split(" ", 2)[1]), headers, read_seconds)

    def close(self) -> None:
        with suppress(RuntimeError):  # the event loop is closed
            self._writer.close()


class _Answer:
    def __init__(self, line: _Line, status: int, headers: Mapping[str, str], read_seconds: float) -> None:
        self.line, self.status, self.headers = line, status, headers
        self._read_seconds = read_seconds
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        self._left: int | None = None if length is None or self._is_chunked else int(length)  # bytes; None: unknown
        self.ends_line = headers.get("connection", "").lower() == "close" or (
            self._left is None and not self._is_chunked
        )
        self._pieces = self.pieces()

    async def next_piece(self) -> bytes:
        """Return the next piece of the body; nothing at its end. Raises OSError."""
        try:
            return await self._pieces.__anext__()
        except StopAsyncIteration:
            return b""
        except (EOFError, ValueError, asyncio.TimeoutError) as error:
            raise OSError(f"no answer, or not all of it ({type(error).__name__})") from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body. Raises OSError, EOFError, ValueError or TimeoutError."""
        if self._is_chunked:
            while size := int((await self._read(self.line.reader.readline())).partition(b";")[0], 16):
                yield await self._read(self.line.reader.readexactly(size))
                await self._read(self.line.reader.readexactly(2))
            while (await self._read(self.line.reader.readline())).strip():
                pass
            return
        while self._left != 0:
            wanted = DOWNLOAD_PIECE_BYTES if self._left is None else min(self._left, DOWNLOAD_PIECE_BYTES)
            piece = await self._read(self.line.reader.read(wanted))
            if not piece and self._left is not None:
                raise EOFError("it ends early")
            if not piece:
                return
            self._left = None if self._left is None else self._left - len(piece)
            yield piece

    async def _read(self, reading: Any) -> bytes:
        found: bytes = await asyncio.wait_for(reading, self._read_seconds)
        return found
