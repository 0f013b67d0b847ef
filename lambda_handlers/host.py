"""Time and chance: all that the server takes from the machine besides its store, its locks and its files.

They come in as a value, so that tests and the simulator can own them. Wall-clock time is used on purpose: the
monotonic clock of a frozen container may stand still while the world moves on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    now: Callable[[], float] = time.time  # unix seconds
    sleep: Callable[[float], None] = time.sleep  # seconds
    entropy: Callable[[int], bytes] = os.urandom  # so many random bytes

    def jitter(self) -> float:
        """A random number in [0, 1)."""
        return int.from_bytes(self.entropy(4), "big") / (1 << 32)

    def nonce(self) -> str:
        """16 hex digits that nobody else has."""
        return self.entropy(8).hex()
