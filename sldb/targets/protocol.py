"""What a target is: where requests go, and where replies come from.

Every request goes out with a `request_id`, so that sending it again after a lost answer applies nothing twice. Actions
have none: each finds done what it did before.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any, Protocol

from lambda_handlers.wire import Action, Reply, Request, new_request_id


class Target(Protocol):
    @property
    def name(self) -> str:
        """The target as the user may write it, for messages."""

    def send(self, request: Request) -> Reply:
        """Raises SldbError, as the function does; `store_error` with exit status 3 where it cannot be reached."""

    def act(self, action: Action) -> dict[str, Any]:
        """What is not SQL; raises as `send` does."""

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """What the action `result` tells, and the reply of the request if it was applied; raises as `send` does."""

    def close(self) -> None:
        """Give up connections and temporary files."""


def with_id(request: Request) -> Request:
    """The request with a `request_id`: its own, or else a new one."""
    return request if request.request_id else replace(request, request_id=new_request_id(time.time(), os.urandom(10)))
