"""A target that kills its client at one of its requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambda_handlers.wire import Action, Reply, Request
from sldb.targets.protocol import Target


class Killed(BaseException):
    """The client is killed."""


class KillingTarget:
    """A target whose client is killed at one of the requests: before it is sent, or after it was applied."""

    name = "killing"

    def __init__(self, target: Target, at: int, is_applied: bool) -> None:
        self._target = target
        self._left = at
        self._is_applied = is_applied

    def send(self, request: Request) -> Reply:
        return self._pass(lambda: self._target.send(request))

    def act(self, action: Action) -> dict[str, Any]:
        return self._pass(lambda: self._target.act(action))

    def close(self) -> None:
        pass

    def _pass(self, send: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._is_applied:
            raise Killed
        try:
            return send()
        finally:
            if self._left == 0:
                raise Killed
