"""The time of the next transaction of one copy: after the newest one's, so that a time distinguishes them.

The exception is a newest time that was still in the future at its arrival in the store: a clock was wrong then.
"""

from __future__ import annotations

from lambda_handlers.storage.commit_checks import CommitChecks
from lambda_handlers.storage.local_pages import LocalPages
from lambda_handlers.store_clock import ROUNDING_SECONDS, SKEW_SECONDS, StoreClock


class CommitTimes:
    def __init__(self, clock: StoreClock, pages: LocalPages, checks: CommitChecks) -> None:
        self._clock = clock
        self._pages = pages
        self._checks = checks

    def next_ms(self, now: float) -> int:
        """Return the time in unix milliseconds; `now`: unix seconds. Raises SldbError `store_error`."""
        newest_ms, own_ms = self._pages.timestamp_ms, int(self._clock.corrected(now) * 1000)
        if newest_ms <= own_ms + SKEW_SECONDS * 1000:
            return max(own_ms, newest_ms + 1)
        latest = self._clock.latest(now)
        if latest is None and (dated_at := self._checks.date_of_newest()) is not None:
            latest = dated_at + ROUNDING_SECONDS
            # The earlier of the two: a date may be damaged.
            self._clock.observe_existing(min(dated_at, newest_ms / 1000), now)
            own_ms = int(self._clock.corrected(now) * 1000)
        is_false = latest is not None and newest_ms > (latest + SKEW_SECONDS) * 1000
        return own_ms if is_false else newest_ms + 1
