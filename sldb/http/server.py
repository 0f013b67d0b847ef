"""The server of `sldb serve`: waitress, which reads and checks the requests of sockets, in threads of this process."""

from __future__ import annotations

import signal
import socket
from types import FrameType
from typing import Any

from waitress.server import create_server

from lambda_handlers.wire import SldbError
from sldb.http.application import MAX_BODY_BYTES, Application

THREADS = 8  # requests that wait or run: SQL runs one at a time
MAX_HEADER_BYTES = 16 << 10  # API Gateway takes 10,240 bytes
INTERRUPTED, TERMINATED = 130, 143  # exit statuses


class HttpServer:
    """Listens from its creation on. Raises `bad_request` if it cannot."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        listening = _listen(host, port)
        self._server: Any = create_server(
            application,
            sockets=[listening],
            threads=THREADS,
            ident=None,  # no header says which server this is
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=MAX_BODY_BYTES,
            clear_untrusted_proxy_headers=True,
            asyncore_use_poll=True,
        )
        self.port = int(listening.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def run(self) -> int:
        """Serve until Ctrl-C or SIGTERM, let running requests end for some seconds, and return the exit status."""
        received: list[int] = []

        def stop(number: int, _frame: FrameType | None) -> None:
            received.append(number)
            raise SystemExit  # waitress ends its loop

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._server.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._server.close()
        return TERMINATED if signal.SIGTERM in received else INTERRUPTED

    def serve(self) -> None:
        """Serve until `stop`, in a thread of the caller's."""
        self._server.run()

    def stop(self) -> None:
        self._server.task_dispatcher.shutdown()
        self._server.close()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. waitress would leave one open that it cannot bind."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SldbError(
            "bad_request", f"cannot listen on {host}, port {port}: {error.strerror or error}", "give another --port"
        ) from error
