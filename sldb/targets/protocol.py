"""The protocol of a target: the receiver of requests and the source of their replies.

Every request goes out with a `request_id`, so that sending it again after a lost answer applies nothing twice, and with
an `attempt`, which the action `cancel` names: a later attempt with the same id is not stopped by it. Actions have
neither: a repeated action finds its earlier effect.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.wire import Action, Reply, Request, Row, StoredRows, new_request_id

ReadRows: TypeAlias = "Callable[[StoredRows], Iterator[Row]]"


class Target(Protocol):
    @property
    def name(self) -> str:
        """The target as the user may write it, for messages."""

    def send(self, request: Request) -> Reply:
        """Return the reply. Raises SldbError, as the function does; `store_error` with exit status 3 if the target
        cannot be reached."""

    def act(self, action: Action) -> dict[str, Any]:
        """Return the reply to an operation other than SQL; raises as `send` does."""

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """Return the reply to the action `result`, and that of the request if it was applied; raises as `send` does."""

    def close(self) -> None:
        """Close connections and remove temporary files."""


class StreamingTarget(Target, Protocol):
    """A target whose results need not be in memory as a whole."""

    def stream(self, request: Request) -> tuple[Reply, ReadRows]:
        """Return the reply, with `stored` in the results whose rows are elsewhere, and the function that reads them;
        raises as `send` does, and so does reading."""


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines in pieces with any ends. Raises ValueError if the last one has no end."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        raise ValueError("it ends early")


def with_id(request: Request) -> Request:
    """Return the request with a `request_id` and an `attempt`: its own, or else new ones."""
    request_id = request.request_id or new_request_id(time.time(), os.urandom(10))
    return replace(request, request_id=request_id, attempt=request.attempt or os.urandom(8).hex())
