"""Lambda's Invoke over HTTP on loopback, with a SqliteTarget as the function, and faults on order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lambda_handlers.wire import Action, Reply, Request, SldbError, is_action
from tests.fakes.network.forward_proxy import wrap
from tests.fakes.targets.sqlite_target import SqliteTarget


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer instead of the function's; `runs`: the function runs before it all the same."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    runs: bool = False
    drops: bool = False  # closes the connection without an answer
    waits: threading.Event | None = None  # answers only when this is set


@dataclass
class LambdaService:
    target: SqliteTarget = field(default_factory=SqliteTarget)
    function: str = "test-db-function"
    faults: list[Answer] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    received: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    _results: dict[str, dict[str, Any]] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def request_ids(self) -> list[str | None]:
        return [request.request_id for request in self.target.requests]

    def invoke(self, event: object) -> dict[str, Any]:
        """Answer as the function does: an error is a reply, and a request_id is applied once."""
        with self._turn:
            if is_action(event):
                return self._act(Action.decode(event))
            request = Request.decode(event)
            known = self._results.get(str(request.request_id))
            if known is not None:
                self.target.requests.append(request)
                return known
            try:
                reply: Reply = self.target.send(request)
            except SldbError as error:
                return {"statusCode": error.status, "body": error.encode()}
            result = {"statusCode": 200, "body": reply.encode()}
            self._results[str(request.request_id)] = result
            return result

    def _act(self, action: Action) -> dict[str, Any]:
        if action.name == "result" and isinstance(self.target, SqliteTarget):
            known = self._results.get(action.arguments["request_id"])
            return {"statusCode": 200, "body": {"reply": known and known["body"]}}
        try:
            return {"statusCode": 200, "body": self.target.act(action)}
        except SldbError as error:
            return {"statusCode": error.status, "body": error.encode()}


@contextmanager
def serve_lambda(certificate: Path | None = None) -> Iterator[LambdaService]:
    service = LambdaService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.paths.append(self.path)
            service.headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = service.faults.pop(0) if service.faults else None
            if fault is None and self.path != f"/2015-03-31/functions/{service.function}/invocations":
                kind = {"x-amzn-errortype": "ResourceNotFoundException"}
                fault = Answer(404, {"Message": "Function not found"}, kind)
            if fault is None:
                self._answer(200, service.invoke(event), {})
                return
            if fault.runs:
                service.invoke(event)
            service.received.set()
            if fault.waits:
                fault.waits.wait(30)
            if fault.drops:
                self.close_connection = True
                return
            with suppress(BrokenPipeError):  # the client did not wait
                self._answer(fault.status, fault.body, fault.headers)

        def _answer(self, status: int, body: object, headers: dict[str, str]) -> None:
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        wrap(server, certificate)
    service.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
