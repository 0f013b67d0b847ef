"""How far this machine's clock is ahead of the store's, or behind, as far as what it sees anyway tells.

obstore does not show the Date of S3's answers, and no request is made for it. What tells:

    security-group lock   the Date of EC2's answers, with each write (AWS's clocks are one, for this)
    file lock             the date of the lock file that was just written, with each write
    s3 lock               the date of the lock object, in the LIST before a container's first commit, and in later ones
    none                  the date of a transaction that this container made, in its next LIST: within half an hour

What was sent when this clock read t, and is dated d, was not written before that: the clock is ahead by t - d at least.
What a LIST shows to be dated d, when it reads t, was written by then: it is ahead by t - d at most.
"""

from __future__ import annotations

SKEW_SECONDS = 60.0  # by which two clocks may differ; a greater difference means that one of them is wrong
ROUNDING_SECONDS = 1.0  # of the dates that a store gives
_BELIEVED_SECONDS = 3600.0  # by this machine's clock: a step of more than this makes what was told worthless
_MOST_NOTES = 100


class StoreClock:
    """Of one store and one container. Times are unix seconds."""

    def __init__(self) -> None:
        self._least, self._least_at = 0.0, float("-inf")  # seconds that it is ahead at least, and when that was seen
        self._most, self._most_at = 0.0, float("-inf")  # and at most
        self._written: dict[str, float] = {}  # when an object was last sent, by its key
        self.wants_list = False  # nothing is known, and a LIST would tell

    def told(self, date: float, asked_at: float) -> None:
        """Note the date of an answer, or of an object, and when it was asked for, or sent, by this machine's clock."""
        self._least, self._least_at = asked_at - date - ROUNDING_SECONDS, asked_at
        self.wants_list = False

    def shown(self, date: float, now: float) -> None:
        """Note that there is an object with this date when this machine's clock reads `now`."""
        self._most, self._most_at = now - date, now

    def wrote(self, key: str, asked_at: float, is_worth_a_list: bool = False) -> None:
        """Note that an object was written, whose date a LIST may show."""
        self.wants_list = self.wants_list or (is_worth_a_list and self.latest(asked_at) is None)
        self._written.pop(key, None)
        self._written[key] = asked_at
        if len(self._written) > _MOST_NOTES:
            del self._written[next(iter(self._written))]

    def listed(self, key: str, date: float) -> None:
        """Note what a LIST shows. Another writer may have written the object again: then it tells less, and nothing
        wrong."""
        if key in self._written:
            self.told(date, self._written.pop(key))

    def latest(self, now: float) -> float | None:
        """Return what the store's clock shows at most when this machine's shows `now`; None where that is not known."""
        return now - self._least if _is_believed(self._least_at, now) else None

    def corrected(self, now: float) -> float:
        """Return `now`, or the store's time as far as it is known where this clock is off by more than a minute."""
        if _is_believed(self._least_at, now) and self._least > SKEW_SECONDS:
            return now - self._least
        if _is_believed(self._most_at, now) and self._most < -SKEW_SECONDS:
            return now - self._most
        return now


def _is_believed(seen_at: float, now: float) -> bool:
    return abs(now - seen_at) <= _BELIEVED_SECONDS
