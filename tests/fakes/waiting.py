"""Waiting for a condition, with a bound, in place of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MAX_SECONDS = 60.0  # generous: it is reached by failures only
PAUSE_SECONDS = 0.01


def wait_until(holds: Callable[[], T], what: str, seconds: float = MAX_SECONDS) -> T:
    """Return the first true value of `holds`. Fails, naming `what`, if there is none within `seconds`."""
    ends_at = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < ends_at, f"{what}: not within {seconds:g} s"
        time.sleep(PAUSE_SECONDS)
    return value
