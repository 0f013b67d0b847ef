"""A target that loses a reply to a commit."""

from __future__ import annotations

from lambda_handlers.wire import Reply, Request
from sldb.targets.local import LocalTarget


class LosingTarget:
    """A target that loses the reply to the next commit, after it was applied or before."""

    name = "losing"

    def __init__(self, target: LocalTarget, failure: BaseException, *, applies: bool) -> None:
        self._target, self._failure, self._applies = target, failure, applies
        self.lost = 0

    def send(self, request: Request) -> Reply:
        if request.transaction is None or not request.transaction.commits or self.lost:
            return self._target.send(request)
        self.lost += 1
        if self._applies:
            self._target.send(request)
        raise self._failure

    def act(self, action: object) -> dict[str, object]:
        raise NotImplementedError

    def close(self) -> None:
        pass
