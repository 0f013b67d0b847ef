"""The engine behind JSON events with Lambda's size limits, as after a deployment; counts requests and bytes.

Rows that do not fit into a reply cannot be stored, as for the function that only reads a file system.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lambda_handlers.host import Host
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.storage.log.keys import is_rows_key
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import Refused
from lambda_handlers.wire import Action, Reply, Request, SldbError

EVENT_BYTES = 6 * 1024 * 1024  # Lambda's limit of a synchronous invocation, each way


class _WithoutRows(DirectoryStore):
    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        if is_rows_key(key):
            raise Refused(key, "read-only file system")
        super().create_from(key, chunks)


class LimitedTarget:
    name = "limited"

    def __init__(self, directory: Path, host: Host | None = None) -> None:
        self._service = Service(
            Settings(
                store=directory.as_uri(),
                lock="s3",
                log_level="error",
                temp_dir=tempfile.gettempdir(),
                reply_limit_bytes=6_000_000,
            ),
            host,
            _WithoutRows(directory),
        )
        self.requests: list[Request] = []
        self.exchanges = 0
        self.largest_event = self.largest_reply = self.bytes_in = self.bytes_out = 0

    def send(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self._exchange(request.encode())
        return Reply.decode(reply)

    def act(self, action: Action) -> dict[str, Any]:
        return self._exchange(action.encode())

    def close(self) -> None:
        self._service.close()

    def _exchange(self, event: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        self.largest_event = max(self.largest_event, len(body))
        self.exchanges += 1
        self.bytes_in += len(body)
        if len(body) > EVENT_BYTES:
            raise SldbError("too_large", f"the request has {len(body)} bytes", "split it up")
        reply = self._service.handle(json.loads(body))
        answer = json.dumps(reply).encode()
        assert len(answer) <= EVENT_BYTES, "the function would crash"
        self.largest_reply = max(self.largest_reply, len(answer))
        self.bytes_out += len(answer)
        if reply["statusCode"] != 200:
            raise SldbError.decode(reply["body"])
        return dict(reply["body"])
