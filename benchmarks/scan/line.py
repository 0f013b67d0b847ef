"""A store behind a line, and the clock of the thread that reads from it: its CPU, which is measured, and its waits,
which follow from latency and bandwidth. So the times are those of a machine that does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.peers.simulator.latency import Latency, Link
from lambda_handlers.host import Call
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectInfo

LATENCY = Latency()


class Line:
    """A clock of the thread's CPU and its waits, and the store's line."""

    def __init__(self) -> None:
        self._link = Link(LATENCY.bytes_a_second)
        self._begun = time.thread_time()
        self._task: list[float] = []  # the time in a call that was started
        self.waited, self.waits, self.elsewhere = 0.0, 0, 0.0
        self.requests, self.moved, self.first_mb_at = 0, 0, 0.0

    @property
    def cpu_seconds(self) -> float:
        return time.thread_time() - self._begun - self.elsewhere

    @property
    def now(self) -> float:
        return self.cpu_seconds + self.waited

    def wait_until(self, moment: float) -> None:
        if (seconds := moment - self.now) > 0:
            self.waited, self.waits = self.waited + seconds, self.waits + 1

    def ask(self, verb: str, act: Callable[[], Any]) -> Any:
        """Make a request of the calling thread, or of the call that it starts."""
        asked_at = self._task[-1] if self._task else self.now
        begun, result = time.thread_time(), None
        try:
            result = act()
            return result
        finally:
            self.elsewhere += time.thread_time() - begun
            self._answer(len(result) if isinstance(result, bytes) else 0, asked_at + LATENCY.seconds(verb))

    def _answer(self, size: int, at: float) -> None:
        passed_at = self._link.move(size, at)
        self.requests, self.moved = self.requests + 1, self.moved + size
        if self.moved >= 1e6 and not self.first_mb_at:
            self.first_mb_at = passed_at
        if self._task:
            self._task[-1] = passed_at
        else:
            self.wait_until(passed_at)

    def start(self, function: Callable[[], Any]) -> Call:
        self._task.append(self.now)
        try:
            return _Started(self, function)
        finally:
            self._task.pop()


class _Started:
    def __init__(self, line: Line, function: Callable[[], Any]) -> None:
        self._line, self._error = line, None
        try:
            self._value = function()
        except Exception as error:  # noqa: BLE001 - raised again by result()
            self._error = error
        self._over_at = line._task[-1]

    def result(self) -> Any:
        self._line.wait_until(self._over_at)
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, seconds: float) -> bool:  # noqa: ARG002 - as every call has it
        self._line.wait_until(self._over_at)
        return True


class LineStore:
    """A store behind a line."""

    def __init__(self, store: DirectoryStore) -> None:
        self.store, self.line = store, Line()

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        return iter(self.line.ask("LIST", lambda: list(self.store.list_objects(prefix, after))))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        body: bytes = self.line.ask("GET", lambda: self.store.get(key))
        return body, ""

    def __getattr__(self, verb: str) -> Any:
        act = getattr(self.store, verb)
        name = "GET" if verb in ("get", "get_range", "size", "info") else "PUT"
        return lambda *arguments: self.line.ask(name, lambda: act(*arguments))
