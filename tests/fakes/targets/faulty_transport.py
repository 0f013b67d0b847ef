"""A transport of pushes and pulls with a fault at one of its calls."""

from __future__ import annotations

from collections.abc import Callable

from sldb.client import Client
from sldb.push_pull.direct import DirectTransport
from sldb.targets.local import LocalTarget


class FaultyTransport(DirectTransport):
    """A transport that calls `act` before its call of this number."""

    def __init__(self, client: Client, number: int, act: Callable[[], None]) -> None:
        assert isinstance(client.target, LocalTarget)
        super().__init__(client.database, client.target.open_store)
        self.number, self.act, self.calls = number, act, 0

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.number:
            self.act()

    def put(self, upload: str, part: str, body: bytes) -> None:
        self._count()
        super().put(upload, part, body)

    def read(self, file: str, start: int, length: int) -> bytes:
        self._count()
        return super().read(file, start, length)
