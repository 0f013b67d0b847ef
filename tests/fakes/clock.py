"""A host with simulated time, which passes only in sleep, and repeatable chance."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable
from dataclasses import replace

from lambda_handlers.host import Host
from tests.fakes.immediate_call import ImmediateCall


class Clock:
    """`at` plans the events of other processes during a sleep."""

    def __init__(self, start: float = 1_800_000_000.0, seed: int = 0) -> None:
        self.time = start
        self.sleeps: list[float] = []
        self._random = random.Random(seed)
        self._plans: list[tuple[float, int, Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        end = self.time + seconds
        while self._plans and self._plans[0][0] <= end:
            self.time, _, action = heapq.heappop(self._plans)
            action()
        self.time = end

    def at(self, time: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._plans, (time, len(self._plans), action))

    def host(self) -> Host:
        return Host(now=self.now, sleep=self.sleep, entropy=self._random.randbytes, start=ImmediateCall)


def host_without_waits() -> Host:
    """Return a host with threads and real chance on which a wait takes no time. Its clock begins now, because the dates
    of a store are the machine's."""
    clock = Clock(time.time())
    return replace(Host(), now=clock.now, sleep=clock.sleep)
