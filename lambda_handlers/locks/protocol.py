"""The write lock: one writer at a time for one database, for fairness and to avoid wasted work.

Safety never rests on it (the conditional commit of the replica decides): a lock may be broken at any moment, by
the deadlock-fix function, by a waiting writer or by `sldb unlock`. A writer whose lock was broken is not told; its
commit loses if somebody else's came first.

Every lock is released by the id that its acquire gave, so that nobody frees a lock that was taken after his own.

A lock that nobody releases (its writer died, or its last answer got lost) is freed by its age, or by the operating
system where that knows of the death.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lambda_handlers.shared.holder import Holder


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one look at all locks of a stack found and did."""

    checked: int = 0
    freed: tuple[Holder, ...] = ()
    ageless: tuple[Holder, ...] = ()  # left alone: nothing says when they were made
    failed: tuple[tuple[Holder, str], ...] = ()  # past their age and still there, and why


class WriteLock(Protocol):
    def acquire(self, database: str, deadline: float, doing: str) -> Holder:
        """Wait for the lock until `deadline` (unix seconds) and take it.

        Frees a lock that is past its maximum age on the way. Raises SldbError `lock_timeout`, which names the
        holder and its age (details["holder"] = Holder.encode), or `store_error` if EC2 or S3 refuses.
        """

    def release(self, lock_id: str, database: str) -> bool:
        """Free the lock with this id. False if it was not there any more (broken, or released before).

        Raises SldbError `store_error` if that could not be done within bounded retries.
        """

    def holders(self) -> list[Holder]:
        """All locks of this stack that are taken now."""

    def free_expired(self, deadline: float) -> Sweep:
        """Free the locks of this stack that are past their maximum age, until `deadline` (unix seconds).

        Raises SldbError `store_error` if EC2 or S3 does not even say which locks there are.
        """
