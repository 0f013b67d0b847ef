"""The WSGI server of the emulator: werkzeug's, on loopback, and the parts of its answers."""

from __future__ import annotations

import http
import os
import socket
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from sldb.emulator.calls.call import Answer
from sldb.emulator.gateway.messages import REQUEST_HEADERS

HOST = "127.0.0.1"
API_HOST = "localhost"  # of the addresses of APIs: sldb/stack/api_addresses.py


class _QuietHandler(MotoRequestHandler):
    disable_nagle_algorithm = True  # headers and body leave as two writes

    def make_environ(self) -> dict[str, Any]:
        return {**super().make_environ(), REQUEST_HEADERS: self.headers.items()}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def listen(port: int, application: Callable[..., Iterable[bytes]]) -> BaseWSGIServer:
    # Bound here, because werkzeug ends the process where a port is taken.
    with socket.create_server((HOST, port), backlog=128) as bound:
        return make_server(
            host=HOST,
            port=port,
            app=application,
            threaded=True,
            request_handler=_QuietHandler,
            fd=bound.fileno(),
        )


def status_line(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def headers_of(answer: Answer) -> list[tuple[str, str]]:
    headers = list(answer.headers)
    names = {name.lower() for name, _ in headers}
    if "content-length" not in names:
        headers.append(("Content-Length", str(len(answer.body))))
    if not names & {"x-amzn-requestid", "x-amz-request-id", "apigw-requestid"}:
        headers.append(("x-amzn-RequestId", str(uuid.uuid4())))
    return headers


def without_proxy() -> dict[str, str]:
    """Return the variables that exempt this machine from a proxy."""
    said = {name: os.environ[name] for name in ("no_proxy", "NO_PROXY") if os.environ.get(name)} or {"NO_PROXY": ""}
    return {
        name: value if value == "*" else ",".join(filter(None, (value, HOST, API_HOST))) for name, value in said.items()
    }
