"""The host: time, randomness and threads, all that the server takes from the machine besides its store, locks and
files.

They are passed in as a value, so that tests and the simulator can control them. Wall-clock time is used on purpose: the
monotonic clock of a frozen container may stop.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from lambda_handlers.shared.dataclasses import dataclass


class Call(Protocol):
    """A call under way."""

    def result(self) -> Any:
        """Wait for the call, and return its result or raise its error."""

    def wait(self, seconds: float) -> bool:
        """Wait for the call, so long at most; return True if it is over."""


class InThread:
    """A call in a thread of its own. Starting one takes about 50 µs; a pool would cost an import of 10 ms."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> Any:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._error = error


class Done:
    """A call that is over, with this result."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self) -> Any:
        return self._value

    def wait(self, seconds: float) -> bool:  # noqa: ARG002 - as every call has it
        return True


@dataclass(frozen=True, slots=True)
class Host:
    now: Callable[[], float] = time.time  # unix seconds
    sleep: Callable[[float], None] = time.sleep  # seconds
    entropy: Callable[[int], bytes] = os.urandom  # returns that number of random bytes
    start: Callable[[Callable[[], Any]], Call] = InThread

    def jitter(self) -> float:
        """Return a random number in [0, 1)."""
        return int.from_bytes(self.entropy(4), "big") / (1 << 32)

    def nonce(self) -> str:
        """Return 16 random hex digits, unique with near certainty."""
        return self.entropy(8).hex()


def process_age_ms() -> float | None:
    """Return the age of this process, to 10 ms; None if the system does not report it (Linux does)."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            started_ticks = int(stat.read().rpartition(b")")[2].split()[19])
        age_seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError):
        return None
    return round(max(0.0, age_seconds) * 1000, 3)
