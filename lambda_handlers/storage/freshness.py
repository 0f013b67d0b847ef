"""Freshness: how long ago the transaction of a copy was known to be the newest.

A copy at transaction n is current if there is no n + 1 and, less than half the retention floor ago, nothing was known
to come after n or after an older transaction (rule 5 of `replica`). Otherwise n + 1 may have been compacted away: its
absence proves nothing. Ages are wall-clock ages, because the monotonic clock of a frozen container stands still.

A request may run on a copy without a check of its own, if the last one is young enough to commit on: the copy is then
*trusted*, until a check or the answer to a create decides. A create of n + 1 that succeeds is a check as well:
retention leaves n + 1 alone for an hour, so that nothing came after n before it.
"""

from __future__ import annotations

from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store_clock import SKEW_SECONDS

RETENTION_FLOOR_SECONDS = 3600  # no level-0 file younger than this is ever removed
_NEVER = float("-inf")


class Freshness:
    """The times of one copy's checks, in unix seconds."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all checks, together with the pages of the copy."""
        self.checked_at = _NEVER  # the last check for new transactions, of any kind
        self.known_at = _NEVER  # the last proof that nothing came after the copy's transaction
        self.is_listed = False  # `known_at` is by a LIST, and not by the head
        self.is_trusted = False  # the request that uses the copy has neither checked it nor sent a commit
        self.listed: tuple[Txid, float] = 0, 0.0  # the newest transaction in the last LIST, and the date of its file

    def distrust(self) -> None:
        """Make the next request check for new transactions, even if it accepts staleness."""
        self.checked_at = _NEVER

    def note_check(self, checked_at: float) -> None:
        """Note that nothing came after the copy's transaction before `checked_at`."""
        self.checked_at, self.is_trusted = checked_at, False

    def may_commit(self, now: float) -> bool:
        """Return True if the copy was checked recently enough to commit on."""
        return 0 <= now - self.checked_at <= RETENTION_FLOOR_SECONDS / 2

    def is_known(self, now: float) -> bool:
        """Return True if the absence of the next transaction proves that none came."""
        return is_fresh(self.known_at, now)


def is_fresh(known_at: float, now: float) -> bool:
    """Return True if a transaction that was the newest at `known_at` cannot have been removed by `now`."""
    return -SKEW_SECONDS <= now - known_at <= RETENTION_FLOOR_SECONDS / 2
