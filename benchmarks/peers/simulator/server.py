"""The simulated services over HTTP: latency, bandwidth, and a record of each request.

A host is an access key id: its connections share two links (`latency`). A change becomes visible half-way through its
latency, and its answer leaves at the end. The path `/_/…` is for the measurement itself (`control`): it takes no time,
and is not recorded.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from contextlib import suppress
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote

from benchmarks.peers.simulator.control import Control
from benchmarks.peers.simulator.latency import Link
from benchmarks.peers.simulator.objects import PIECE_BYTES
from benchmarks.peers.simulator.s3 import Answer, Request, verb_of
from benchmarks.simulated_s3 import Asked

HOST = re.compile(r"Credential=([^/,\s]+)/")
MIN_SLEEP_SECONDS = 0.0005  # of the loop's clock; shorter waits add up on the link


class Server:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._links: defaultdict[str, tuple[Link, Link]] = defaultdict(self._new_links)  # down, up; by host

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a request and answer it. Return False at the end of the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        began = time.perf_counter()
        request = _request(head)
        if request.path.startswith("/_/"):
            length = int(request.headers.get("content-length", 0))
            body = await self._control.answer(request.path[3:], await reader.readexactly(length))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            return True
        with self._control.in_flight():
            await self._measured(request, began, reader, writer)
        return request.headers.get("connection", "").lower() != "close"

    async def _measured(
        self, request: Request, began: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        found = HOST.search(request.headers.get("authorization", ""))
        down, up = self._links[found[1] if found else "-"]
        body = await self._body(request, reader, writer, up)
        request = Request(request.method, request.path, request.query, request.headers, body)
        verb = "EC2" if request.path == "/" and request.method == "POST" else verb_of(request)
        seconds = self._control.latency.seconds(verb)
        await _sleep(seconds / 2)
        answer = self._control.ec2.answer(body) if verb == "EC2" else self._control.s3.answer(request)
        await _sleep(seconds / 2)
        sent = await _send(request, answer, writer, down)
        moved = (0, 0) if verb == "EC2" else (sent, len(body))
        self._control.asked.append(Asked(verb, began, time.perf_counter(), *moved))

    async def _body(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: Link
    ) -> bytes:
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        pieces, left = [], int(request.headers.get("content-length", 0))
        while left:
            pieces.append(await reader.readexactly(min(left, PIECE_BYTES)))
            left -= len(pieces[-1])
            await _until(up.move(len(pieces[-1]), time.perf_counter()))
        body = b"".join(pieces)
        is_chunked = "aws-chunked" in request.headers.get("content-encoding", "")
        return _unchunked(body) if is_chunked else body

    def _new_links(self) -> tuple[Link, Link]:
        rate = self._control.latency.bytes_a_second
        return Link(rate), Link(rate)


def _request(head: str) -> Request:
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Request(method, unquote(path), dict(parse_qsl(query, keep_blank_values=True)), headers)


async def _send(request: Request, answer: Answer, writer: asyncio.StreamWriter, down: Link) -> int:
    """Send an answer at the speed of the link; return the bytes of its body."""
    length = len(answer.body) if answer.length is None else answer.length
    headers = {"date": formatdate(usegmt=True), "x-amz-request-id": "1", **answer.headers}
    if answer.status not in (204, 304):
        headers["content-length"] = str(length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} -\r\n{lines}\r\n".encode("latin-1"))
    if request.method == "HEAD":
        await writer.drain()
        return 0
    for piece in answer.body.pieces():
        await _until(down.move(len(piece), time.perf_counter()))
        writer.write(piece)
        await writer.drain()
    await writer.drain()
    return len(answer.body)


async def _until(moment: float) -> None:
    await _sleep(moment - time.perf_counter())


async def _sleep(seconds: float) -> None:
    if seconds > MIN_SLEEP_SECONDS:
        await asyncio.sleep(seconds)


def _unchunked(body: bytes) -> bytes:
    """Return the payload of a body in aws-chunked encoding."""
    pieces, start = [], 0
    while True:
        end = body.index(b"\r\n", start)
        size = int(body[start:end].partition(b";")[0], 16)
        if not size:
            return b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + size])
        start = end + 4 + size
