"""The write lock: one writer at a time for one database, for fairness and to avoid wasted work.

Safety never depends on it (the conditional commit of the replica decides): a lock may be broken at any moment, by the
deadlock-fix function, by a waiting writer or by `sldb unlock`. A writer is not informed that its lock was broken; its
commit loses if another writer's came first.

Every lock is released by the id from its acquire, so that no process frees a later lock of another one.

A lock that is never released (its writer died, or its last answer was lost) is freed by its age, or by the operating
system if that detects the death.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.lock_holder import Holder

Sleep: TypeAlias = Callable[[float], None]  # for so many seconds; an SldbError of it ends the wait


@dataclass(frozen=True, slots=True)
class Sweep:
    """The result of one pass over all locks of a stack."""

    checked: int = 0
    freed: tuple[Holder, ...] = ()
    ageless: tuple[Holder, ...] = ()  # left unchanged: their time of creation is unknown
    failed: tuple[tuple[Holder, str], ...] = ()  # past their age and still there, and why


class WriteLock(Protocol):
    freed_stale: int  # locks past their maximum age that writers freed on their way, so far

    def acquire(self, database: str, deadline: float, doing: str, sleep: Sleep | None = None) -> Holder:
        """Wait for the lock until `deadline` (unix seconds) and take it. `sleep`: for the pauses, instead of the
        host's; its SldbError ends the wait, and this writer does not have the lock then.

        Frees a lock past its maximum age on the way. Raises SldbError `lock_timeout` with the holder and its age
        (details["holder"] = Holder.encode), or `store_error` if EC2 or S3 refuses.
        """

    def release(self, lock_id: str, database: str) -> bool:
        """Free the lock with this id. False if it was not there any more (broken, or released before).

        Raises SldbError `store_error` after a bounded number of failures.
        """

    def holders(self) -> list[Holder]:
        """Return all locks of this stack that are taken now."""

    def free_expired(self, deadline: float) -> Sweep:
        """Free the locks of this stack past their maximum age, until `deadline` (unix seconds).

        Raises SldbError `store_error` if EC2 or S3 does not even list the locks.
        """
