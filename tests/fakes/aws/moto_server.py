"""moto over HTTP on loopback, made atomic by one lock, with a hook for each answer."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "us-east-1"


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class Aws:
    """`after` gets (form of the request, status, body) of each answer and may return another (status, body)."""

    def __init__(self) -> None:
        self.url = ""
        self.after: Callable[[bytes, str, bytes], tuple[str, bytes] | None] | None = None
        self._application = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(request)
        answer: list[Any] = []
        with self._lock:  # moto checks, then acts: two threads at a time would both win
            body = b"".join(
                self._application(environ, lambda status, headers, exc=None: answer.extend((status, headers)))
            )
        status, headers = answer
        if self.after and (other := self.after(request, status, body)):
            status, body = other
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("Content-Length", str(len(body))))
        start_response(status, headers)
        return [body]


@contextmanager
def serve_aws() -> Iterator[Aws]:
    aws = Aws()
    server = make_server("127.0.0.1", 0, aws, threaded=True, request_handler=_QuietHandler)
    aws.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield aws
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
