"""Reasons why a request has no answer: those for which it never left, and those that leave open whether it arrived.
Each is an environment of AWS's variables, made with a server on loopback where it takes one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from tests.fakes.aws.moto_server import free_port

Environment: TypeAlias = "dict[str, str]"


class Listener:
    """A server that answers each connection with the same bytes, at once or after a request, and hangs up."""

    def __init__(self, answer: bytes, *, listens: bool) -> None:
        self._answer, self._listens = answer, listens
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if self._listens:
                    connection.recv(1 << 16)
                connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextmanager
def listening() -> Iterator[Callable[..., int]]:
    """Yield a function to open a `Listener`; it returns the port."""
    opened: list[Listener] = []

    def listen(answer: bytes = b"", *, listens: bool = True) -> int:
        opened.append(Listener(answer, listens=listens))
        return int(opened[-1].port)

    yield listen
    for one in opened:
        one.close()


# Why nothing leaves.
UNSENT: dict[str, Callable[[Any], Environment]] = {
    "refused": lambda listen: {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"},
    "no such name": lambda listen: {"AWS_ENDPOINT_URL": "http://nope.invalid"},
    "no such name, TLS": lambda listen: {"AWS_ENDPOINT_URL": "https://nope.invalid"},
    "the other side speaks no TLS": lambda listen: {
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{listen(b'HTTP/1.1 200 OK' + bytes(4))}"
    },
    "hung up in the handshake": lambda listen: {"AWS_ENDPOINT_URL": f"https://127.0.0.1:{listen()}"},
    "no proxy": lambda listen: {
        "AWS_ENDPOINT_URL": "https://s3.test",
        "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}",
    },
    "the proxy refuses": lambda listen: {
        "AWS_ENDPOINT_URL": "https://s3.test",
        "HTTPS_PROXY": f"http://127.0.0.1:{listen(b'HTTP/1.1 403 Forbidden' + bytes((13, 10, 13, 10)))}",
    },
}
# Why nobody knows.
SILENCE: dict[str, Callable[[Any], Environment]] = {
    "hung up on the request": lambda listen: {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{listen()}"},
    "half an answer": lambda listen: {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{listen(b'HTTP/1.1 200')}"},
    "no HTTP": lambda listen: {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{listen(b'SSH-2.0-x')}"},
}
