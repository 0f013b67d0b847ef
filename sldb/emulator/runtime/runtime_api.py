"""The Runtime API of one process: a Lambda runtime polls it for its next invocation.

    GET  /2018-06-01/runtime/invocation/next            blocks until there is one
    POST /2018-06-01/runtime/invocation/{id}/response   the handler's result
    POST /2018-06-01/runtime/invocation/{id}/error      its error
    POST /2018-06-01/runtime/init/error                 it could not be imported

The Extensions API beside it is in `extensions`. The queue `events` holds the events of the process, in order. An
instance serves one process and is closed with it: an open poll of a dead process must never take an invocation meant
for the next one.
"""

from __future__ import annotations

import queue
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from sldb.emulator.runtime import extensions
from sldb.emulator.runtime.extensions import ExtensionError, Extensions, Invoked

# Lambda's own limit for a reply is a hundred bytes above the six megabytes of its documentation.
MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
_RESULT = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")
_NEXT = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR = "/2018-06-01/runtime/init/error"


@dataclass(frozen=True, slots=True)
class Invocation:
    request_id: str
    event: bytes
    deadline: float  # unix seconds
    function_arn: str
    client_context: str = ""  # JSON


@dataclass(frozen=True, slots=True)
class Ready:
    """The process asks for an invocation, runtime and extensions alike: the handler is imported, or the work for the
    last invocation is over."""


@dataclass(frozen=True, slots=True)
class Responded:
    request_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    request_id: str
    body: bytes  # JSON with errorType, errorMessage, stackTrace


@dataclass(frozen=True, slots=True)
class ResponseTooLarge:
    request_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class InitFailed:
    body: bytes  # JSON as in Raised


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended. Put into the queue by the thread that waits for it."""

    status: int  # as Popen.returncode: negative for a signal


ProcessEvent: TypeAlias = "Ready | Responded | Raised | ResponseTooLarge | InitFailed | Exited"


class RuntimeApi:
    def __init__(self) -> None:
        self.events: queue.Queue[ProcessEvent] = queue.Queue()
        self.invocations: queue.Queue[Invocation | None] = queue.Queue()  # None: closed
        self.answering = threading.Lock()  # a result, whose process may end as soon as it has the answer
        self.extensions = Extensions()
        self._asking = threading.Lock()
        self._runtime_asks = False
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def report_exit(self, status: int) -> None:
        """Put the end of the process behind its results."""
        with self.answering:
            self.events.put(Exited(status))

    def invoke(self, invocation: Invocation) -> None:
        with self._asking:
            self._runtime_asks = False
            self.extensions.announce(Invoked(invocation.request_id, invocation.deadline, invocation.function_arn))
        self.invocations.put(invocation)

    def ask(self, identifier: str | None, *, is_extension: bool) -> None:
        """Note that the runtime, or an extension, asks for an invocation. Raises ExtensionError."""
        with self._asking:
            if is_extension:
                self.extensions.ask(identifier)
            else:
                self.extensions.close_registration()
                self._runtime_asks = True
            if self._runtime_asks and self.extensions.are_asking:
                self.events.put(Ready())

    def close(self) -> None:
        self.invocations.put(None)
        self.extensions.close()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a poll of a dead process needs no answer

    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore broken connections of a killed process; `Exited` reports its end."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name
        pass

    def do_GET(self) -> None:
        if self.path == extensions.NEXT:
            self._give_event()
            return
        if self.path != _NEXT:
            self._reply(404, b"")
            return
        self.server.api.ask(None, is_extension=False)
        invocation = self.server.api.invocations.get()
        if invocation is None:
            self.close_connection = True
            return
        of_caller = {"Lambda-Runtime-Client-Context": invocation.client_context} if invocation.client_context else {}
        self._reply(
            200,
            invocation.event,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                **of_caller,
            },
        )

    def _give_event(self) -> None:
        api, identifier = self.server.api, self.headers.get(extensions.IDENTIFIER_HEADER)
        try:
            api.ask(identifier, is_extension=True)
            invoked = api.extensions.wait(identifier)
        except ExtensionError as error:
            self._reply(error.status, error.body)
            return
        if invoked is None:
            self.close_connection = True
            return
        self._reply(200, invoked.encode())

    def _register(self, body: bytes) -> None:
        try:
            identifier = self.server.api.extensions.register(self.headers.get(extensions.NAME_HEADER), body)
        except ExtensionError as error:
            self._reply(error.status, error.body)
            return
        self._reply(200, b"{}", {extensions.IDENTIFIER_HEADER: identifier})

    def do_POST(self) -> None:
        body = self._read()
        if self.path == extensions.REGISTER:
            self._register(body)
            return
        result = _RESULT.fullmatch(self.path)
        if result is not None and result[2] == "response" and len(body) > MAX_RESPONSE_BYTES:
            self.server.api.events.put(ResponseTooLarge(result[1], len(body)))
            self._reply(413, b'{"errorType":"RequestEntityTooLarge"}')
            return
        event = self._decode_event(body)
        if event is None:
            self._reply(404, b"")
            return
        # Answered first: the reader of the event may kill the process or give it its next invocation.
        with self.server.api.answering:
            self._reply(202, b'{"status":"OK"}')
            self.server.api.events.put(event)

    def _decode_event(self, body: bytes) -> ProcessEvent | None:
        if self.path == _INIT_ERROR:
            return InitFailed(body)
        result = _RESULT.fullmatch(self.path)
        if result is None:
            return None
        return Responded(result[1], body) if result[2] == "response" else Raised(result[1], body)

    def _read(self) -> bytes:
        length = self.headers.get("Content-Length")
        if length is not None:
            return self.rfile.read(int(length))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
