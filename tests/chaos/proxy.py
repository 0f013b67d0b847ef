"""A TCP proxy between a client and a server. It misbehaves on demand, for whole connections.

pass      hand everything on
refuse    accept no more connections, and reset the open ones
reset     reset the connection at the beginning of the answer: the request was applied, its answer is lost
cut       hand on the first bytes of the answer only, then reset
trickle   the answer comes a few bytes at a time
hang      take the request and never hand it on
503       answer "service unavailable" by itself, as S3 does: nothing was applied
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from types import TracebackType

MODES = ("pass", "refuse", "reset", "cut", "trickle", "hang", "503")
CUT_BYTES = 40
TRICKLE_BYTES, TRICKLE_SECONDS = 64, 0.002
CHUNK_BYTES = 1 << 16
HANG_SECONDS = 5.0
_XML = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_UNAVAILABLE = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    % (len(_XML), _XML)
)


class Proxy:
    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.seen: Counter[str] = Counter()  # connections that each mode has spoiled
        self._mode: Callable[[], str] = lambda: "pass"
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._reset_all()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def behave(self, mode: str | Callable[[], str]) -> None:
        """From now on so, or as the function says whenever a request or an answer arrives."""
        self._mode = mode if callable(mode) else lambda: mode
        if mode == "refuse":
            self._reset_all()

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            if self._mode() == "refuse":
                self._spoil("refuse", client)
                return
            with closing(socket.create_connection(self._upstream)) as server:
                self._track(client, server)
                try:
                    answers = threading.Thread(target=self._hand_back, args=(server, client), daemon=True)
                    answers.start()
                    self._hand_on(client, server)
                finally:
                    _reset(server)
                    answers.join()
                    self._untrack(client, server)

    def _hand_on(self, client: socket.socket, server: socket.socket) -> None:
        """Requests."""
        while data := client.recv(CHUNK_BYTES):
            match mode := self._mode():
                case "hang":
                    self.seen[mode] += 1
                    self._closing.wait(HANG_SECONDS)
                    return
                case "503":
                    self.seen[mode] += 1
                    client.sendall(_UNAVAILABLE)
                    return
                case "refuse":
                    self._spoil(mode, client)
                    return
                case _:
                    server.sendall(data)

    def _hand_back(self, server: socket.socket, client: socket.socket) -> None:
        """Answers."""
        with suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                match mode := self._mode():
                    case "reset":
                        self._spoil(mode, client)
                        return
                    case "cut":
                        client.sendall(data[:CUT_BYTES])
                        self._spoil(mode, client)
                        return
                    case "trickle":
                        self.seen[mode] += 1
                        for start in range(0, len(data), TRICKLE_BYTES):
                            client.sendall(data[start : start + TRICKLE_BYTES])
                            time.sleep(TRICKLE_SECONDS)
                    case _:
                        client.sendall(data)
            client.shutdown(socket.SHUT_RD)  # wakes the other thread, which ends it

    def _spoil(self, mode: str, client: socket.socket) -> None:
        self.seen[mode] += 1
        _reset(client)

    def _track(self, *sockets: socket.socket) -> None:
        with self._guard:
            self._open.update(sockets)

    def _untrack(self, *sockets: socket.socket) -> None:
        with self._guard:
            self._open.difference_update(sockets)

    def _reset_all(self) -> None:
        with self._guard:
            sockets = list(self._open)
        _reset(*sockets)


def _reset(*connections: socket.socket) -> None:
    """Wake the threads reading from them to close them with RST instead of FIN."""
    for connection in connections:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
