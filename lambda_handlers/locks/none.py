"""The kind `none`: no lock. The conditional commit decides which writer is first, and the losers run again."""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.locks.protocol import Sleep, Sweep
from lambda_handlers.shared.lock_holder import Holder


class NoLock:
    freed_stale = 0

    def __init__(self, host: Host) -> None:
        self._host = host

    def acquire(self, database: str, deadline: float, doing: str, sleep: Sleep | None = None) -> Holder:  # noqa: ARG002 - the protocol's
        nonce = self._host.nonce()
        return Holder(nonce, database, nonce, self._host.now(), doing)

    def release(self, lock_id: str, database: str) -> bool:  # noqa: ARG002 - the protocol's signature
        return True

    def holders(self) -> list[Holder]:
        return []

    def free_expired(self, deadline: float) -> Sweep:  # noqa: ARG002 - the protocol's signature
        return Sweep()
