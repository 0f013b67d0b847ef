"""Token buckets ("throttling uses the token bucket algorithm"): a rate of requests a second, and a burst."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    rate: float  # requests a second
    burst: int  # requests at once


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float  # seconds of the clock


class Throttle:
    """The buckets of an account, by whatever they count for. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, _Bucket] = {}

    def take(self, key: Hashable, limit: Limit) -> bool:
        """Take one token of the bucket; return False if it is empty. A changed limit applies at once."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.setdefault(key, _Bucket(float(limit.burst), now))
            grown = bucket.tokens + (now - bucket.filled_at) * limit.rate
            bucket.tokens, bucket.filled_at = min(float(limit.burst), grown), now
            if bucket.tokens < 1:
                return False
            bucket.tokens -= 1
            return True
