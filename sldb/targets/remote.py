"""Targets behind a network: what is sent again, and what becomes of a request without an answer.

Each request has a `request_id`, and an action finds its earlier effect, so that both may be sent again. A write without
an answer is looked up by its id.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from lambda_handlers.wire import ROWS_ADDRESS, Action, Reply, Request, SldbError
from sldb.targets import stored_rows
from sldb.targets.doubt import InDoubt, may_apply
from sldb.targets.protocol import ReadRows, with_id

T = TypeVar("T")

SENDS = 4  # in all, for one request
BACKOFF_SECONDS = 0.1  # doubles with every send; with jitter
SETTLE_SECONDS = 1.0  # most writes of a request that was given up, or of a stopped container, have arrived by then


class RemoteTarget:
    """A target without its way to deliver an event."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def send(self, request: Request) -> Reply:
        """Return the reply. Raises `store_error` if the target cannot be reached."""
        reply, again = self._send(request)
        return stored_rows.fetch(reply, self._downloads(reply), again, self._sleep)

    def stream(self, request: Request) -> tuple[Reply, ReadRows]:
        """Return the reply, and the function that reads rows in the store, a part at a time. Raises as `send` does."""
        reply, again = self._send(request)
        download = self._downloads(reply)
        return reply, lambda stored: stored_rows.stream(stored, download, again, self._sleep)

    def _send(self, request: Request) -> tuple[Reply, str]:
        """Return the reply, and how to get it another time."""
        request = with_id(request)
        again = (
            f"the same statement with --request-id {request.request_id} returns its result, and applies nothing twice"
        )
        try:
            reply = self._decoded(request.database, request.encode(), Reply.decode)
        except InDoubt as doubt:
            if not may_apply(request):
                doubt.error.details.pop("applied", None)  # it writes nothing
                raise doubt.error from doubt
            reply = self._look_up_result(request, doubt, again)
        return reply, again

    def act(self, action: Action) -> dict[str, Any]:
        """Return the reply to an action. Raises as `send` does."""
        try:
            return self._decoded(action.database, action.encode(), dict)
        except InDoubt as doubt:
            raise doubt.unresolved("the same command again finds what was done, and goes on from there") from doubt

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """Return the reply to the action `result`. Raises as `send` does."""
        found = self.act(Action("result", database, {"request_id": request_id}))
        if found["reply"] is None:
            return found, None
        reply = Reply.decode(found["reply"])
        return found, stored_rows.fetch(reply, self._downloads(reply), "ask again", self._sleep)

    def _look_up_result(self, request: Request, doubt: InDoubt, again: str) -> Reply:
        """Return the reply of a request that may have been applied. Raises SldbError if it was not found."""
        self._sleep(SETTLE_SECONDS)
        try:
            _, reply = self.result(request.database, str(request.request_id))
        except SldbError as error:
            raise doubt.unresolved(again) from error
        if reply is None:
            raise doubt.not_applied(again) from doubt
        return reply

    def _downloads(self, reply: Reply) -> stored_rows.Download:
        """Return the function that reads the files of rows of a reply."""

        def download(address: str) -> Iterator[bytes]:
            if address.startswith(ROWS_ADDRESS):
                return self._parts(reply.database, address.removeprefix(ROWS_ADDRESS))
            return self._download(address)

        return download

    def _parts(self, database: str, rows_id: str) -> Iterator[bytes]:
        """Yield the file of rows by its parts, from a function over a store without URLs. Raises SldbError."""
        start, size = 0, 1
        while start < size:
            part = self.act(Action("rows", database, {"id": rows_id, "start": start}))
            piece, size = base64.b64decode(part["body"]), part["size"]
            if not piece:
                return  # it ends early, which the reader of the file finds
            start += len(piece)
            yield piece

    def _decoded(self, database: str, event: dict[str, Any], read: Callable[[Any], T]) -> T:
        """Return the decoded reply. Raises SldbError if nothing ran or for the error in a reply, InDoubt if the outcome
        is not known."""
        raise NotImplementedError

    def _download(self, url: str) -> Iterator[bytes]:
        """Yield the content of a presigned address. Raises OSError."""
        raise NotImplementedError
