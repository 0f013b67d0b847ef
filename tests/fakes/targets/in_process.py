"""A target that is a function of this process: its actions make the way of a request and a reply, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from lambda_handlers.wire import Action, Reply, Request


class InProcess:
    name = "in this process"

    def __init__(self, answer: Callable[[Action], dict[str, Any]]) -> None:
        self._answer = answer

    def act(self, action: Action) -> dict[str, Any]:
        event = json.loads(json.dumps(action.encode()))
        reply: dict[str, Any] = json.loads(json.dumps(self._answer(Action.decode(event))))
        return reply

    def send(self, request: Request) -> NoReturn:
        raise NotImplementedError

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""
