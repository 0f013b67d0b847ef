"""The time of the emulated queues: this machine's, moved forward by tests."""

from __future__ import annotations

import time


class Clock:
    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def now(self) -> float:
        """Return the time, in unix seconds."""
        return time.time() + self._ahead_seconds

    def advance(self, seconds: float) -> None:
        """Move the time forward."""
        self._ahead_seconds += seconds
