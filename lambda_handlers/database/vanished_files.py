"""Vanishing files: retention or compaction removed a file while it was read; another try finds its replacement."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lambda_handlers.storage.replica import Gone
from lambda_handlers.wire import SldbError

T = TypeVar("T")

ATTEMPTS = 3


def repeat_while_vanishing(
    attempt: Callable[[], T], database: str, error: type[Exception] = Gone, doing: str = "read"
) -> T:
    """Return the result of `attempt`; repeat it if it raises `error`. Nothing may have been applied then: a commit
    never raises it. Raises `store_error` after three attempts, and other errors of `attempt`."""
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except error as vanished:
            reason = vanished
    raise SldbError(
        "store_error", f"files of {database} vanish while they are {doing}: {reason}", "try again", applied="no"
    )
