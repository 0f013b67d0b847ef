"""A target that keeps the requests it was sent."""

from __future__ import annotations

from lambda_handlers.wire import Reply, Request
from sldb.targets.local import LocalTarget


class CountingTarget:
    """A target that keeps the requests it was sent."""

    name = "counting"

    def __init__(self, target: LocalTarget) -> None:
        self._target = target
        self.requests: list[Request] = []

    def send(self, request: Request) -> Reply:
        self.requests.append(request)
        return self._target.send(request)

    def act(self, action: object) -> dict[str, object]:
        raise NotImplementedError

    def close(self) -> None:
        pass
