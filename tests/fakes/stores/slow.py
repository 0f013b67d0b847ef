"""A store that takes time for each range, by the clock of the test."""

from __future__ import annotations

from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import FaultyStore


class Slow(FaultyStore):
    """A store with a bandwidth."""

    def __init__(self, store: ObjectStore, clock: Clock, bytes_per_second: float) -> None:
        super().__init__(store)
        self._clock = clock
        self.bytes_per_second = bytes_per_second
        self.read_bytes = 0

    def get_range(self, key: str, start: int, length: int) -> bytes:
        body = super().get_range(key, start, length)
        self.read_bytes += len(body)
        self._clock.time += len(body) / self.bytes_per_second
        return body
