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
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lock."""

    lock_id: str  # what `release` needs: unique per acquire
    database: str
    owner: str  # nonce of the acquire; "process <pid>" where the operating system keeps the lock
    created_at: float | None  # unix seconds, by the holder's clock; None where the lock does not say
    doing: str = ""  # what for, such as "INSERT users"; never a value

    def age_seconds(self, now: float) -> float | None:
        return None if self.created_at is None else max(0.0, now - self.created_at)

    def is_expired(self, now: float, max_age_seconds: float) -> bool:
        """Whether its writer must be gone: also where the time of creation lies as far in the future, which only
        a broken clock can have said. Never where that time is not known."""
        return self.created_at is not None and abs(now - self.created_at) > max_age_seconds

    def encode(self, now: float) -> dict[str, Any]:
        age = self.age_seconds(now)
        return {
            "lock_id": self.lock_id,
            "database": self.database,
            "owner": self.owner,
            "created_at": self.created_at,
            "age_seconds": None if age is None else round(age, 3),
            "doing": self.doing,
        }


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
