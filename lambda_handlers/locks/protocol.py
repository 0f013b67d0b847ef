"""The write lock: one writer at a time for one database, for fairness and to avoid wasted work.

Safety never rests on it (the conditional commit of the replica decides): a lock may be broken at any moment, by
the deadlock-fix function, by a waiting writer or by `sldb unlock`. A writer whose lock was broken is not told; its
commit loses if somebody else's came first.

Every lock is released by the id that its acquire gave, so that nobody frees a lock that was taken after his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lock."""

    lock_id: str  # what `release` needs: unique per acquire
    database: str
    owner: str  # nonce of the acquire
    created_at: float  # unix seconds, by the holder's clock
    doing: str = ""  # what for, such as "INSERT users"; never a value

    def encode(self, now: float) -> dict[str, Any]:
        return {
            "lock_id": self.lock_id,
            "database": self.database,
            "owner": self.owner,
            "created_at": self.created_at,
            "age_seconds": round(max(0.0, now - self.created_at), 3),
            "doing": self.doing,
        }


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
