"""The store's clock: bounds on its difference from this machine's clock, from dates of objects.

obstore does not show the Date of S3's answers. The sources:

    security-group lock   the Date of EC2's answers, with each write (all of AWS counts as one clock here)
    file lock             the date of the lock file just written, with each write
    s3 lock               the date of the lock object just written: a request of its own, unless the time is known
    none                  the date of a transaction of this container, in its next LIST: within half an hour

An object that was sent at t by this clock, and is dated d, was not written before: the clock is ahead by t - d or more.
An object dated d in a LIST at t was written by then: the clock is ahead by t - d or less.

One date in an answer may be wrong. One that would take this clock back is `doubted`, until another request, for the
object itself, has confirmed it: if the log's time went back without need, requests would be forgotten, and applied
twice.
"""

from __future__ import annotations

from collections.abc import Callable

SKEW_SECONDS = 60.0  # the accepted difference of two clocks; a greater one means that one of them is wrong
ROUNDING_SECONDS = 1.0  # of the dates that a store gives
_BELIEVED_SECONDS = 3600.0  # by this machine's clock: a step of more than this makes older dates worthless
_MAX_NOTES = 100


class StoreClock:
    """The clock of one store, seen from one container. Times are unix seconds."""

    def __init__(self) -> None:
        self._min_ahead, self._min_ahead_at = 0.0, float("-inf")  # ahead at least so many seconds, as seen at that time
        self._max_ahead, self._max_ahead_at = 0.0, float("-inf")  # and at most
        self._written: dict[str, float] = {}  # when an object was last sent, by its key
        self._doubted: tuple[str, float, float] | None = None  # key, date, and when it was sent

    def observe_date(self, date: float, sent_at: float) -> None:
        """Note the date of an answer or of an object, and when its request was sent by this machine's clock."""
        self._min_ahead, self._min_ahead_at = sent_at - date - ROUNDING_SECONDS, sent_at

    def observe_existing(self, date: float, now: float) -> None:
        """Note that an object with this date exists at `now` by this machine's clock."""
        self._max_ahead, self._max_ahead_at = now - date, now

    def record_write(self, key: str, sent_at: float) -> None:
        """Note the write of an object, whose date a LIST may show."""
        self._written.pop(key, None)
        self._written[key] = sent_at
        if len(self._written) > _MAX_NOTES:
            del self._written[next(iter(self._written))]

    def observe_listed(self, key: str, date: float) -> None:
        """Note the date of an object in an answer. If another writer has written it again since, the bound is weaker,
        and not wrong."""
        if key not in self._written:
            return
        sent_at = self._written.pop(key)
        if sent_at - date - ROUNDING_SECONDS > SKEW_SECONDS:
            self._doubted = key, date, sent_at
        else:
            self.observe_date(date, sent_at)

    def confirm(self, date_of: Callable[[str], float | None]) -> None:
        """Note a date that was doubted, or that of the object itself (None: it is gone), whichever is later: if it was
        written again since, the bound is weaker, and not wrong."""
        if self._doubted is None:
            return
        (key, date, sent_at), self._doubted = self._doubted, None
        if (found := date_of(key)) is not None:
            self.observe_date(max(date, found), sent_at)

    def latest(self, now: float) -> float | None:
        """Return the latest time of the store's clock at `now` by this machine's; None if it is not known."""
        return now - self._min_ahead if _is_believed(self._min_ahead_at, now) else None

    def corrected(self, now: float) -> float:
        """Return `now`, or the store's time as far as it is known if this clock is off by more than a minute."""
        if _is_believed(self._min_ahead_at, now) and self._min_ahead > SKEW_SECONDS:
            return now - self._min_ahead
        if _is_believed(self._max_ahead_at, now) and self._max_ahead < -SKEW_SECONDS:
            return now - self._max_ahead
        return now


def _is_believed(seen_at: float, now: float) -> bool:
    return abs(now - seen_at) <= _BELIEVED_SECONDS
