"""Write access to one database: its lock, the turn of each writer without one, and new attempts after a lost
race.

The conditional create of a transaction's object is the commit; safety rests on it alone. The loser of a race for it
runs again on the newest state, within a bound. If the release of a lock fails, a committed write remains valid, and the
lock's age frees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_handlers.database.writer_turns import Patience, Turns
from lambda_handlers.deadline import Deadline
from lambda_handlers.log import trace
from lambda_handlers.resources import Resources
from lambda_handlers.storage.announcements import MAX_SECONDS
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Conflict, Gone, Replica
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from lambda_handlers.database.lock_taking import LockTaking
    from lambda_handlers.locks.protocol import Sleep
    from lambda_handlers.shared.lock_holder import Holder

T = TypeVar("T")

COMMIT_ATTEMPTS = 20  # lost races after which a request fails
RECENT_SECONDS, RECHECK_SECONDS = 1.0, 0.2  # a steady writer writes again within the second
FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.01, 1.0


class WriteAccess:
    """To be used by one thread at a time."""

    def __init__(self, database: str, resources: Resources, replica: Replica) -> None:
        """`replica`: the copy of the newest state."""
        self._database = database
        self._resources = resources
        self._host = resources.host
        self._replica = replica
        self._turns = Turns(resources.store, resources.host, resources.log, is_on=not resources.has_lock)

    @property
    def has_lock(self) -> bool:
        """True if writers take a lock."""
        return self._resources.has_lock

    @contextmanager
    def locked(self, doing: str, deadline: Deadline) -> Iterator[Holder]:
        """Hold the lock. Raises SldbError `lock_timeout` or `store_error`."""
        holder = self._acquire(doing, deadline, self._sleep(deadline))
        try:
            yield holder
        finally:
            self.release(holder.lock_id)

    def take(self, doing: str, deadline: Deadline) -> LockTaking | None:
        """Begin to take the lock, in a call of its own; None if writers take none."""
        if not self._resources.has_lock:
            return None
        from lambda_handlers.database.lock_taking import LockTaking  # reads do not need it

        acquire = partial(self._acquire, doing, deadline)
        return LockTaking(self._host, acquire, self.release, self._sleep(deadline), self._report_not_taken)

    def _acquire(self, doing: str, deadline: Deadline, sleep: Sleep) -> Holder:
        lock, log = self._resources.lock, self._resources.log
        freed_before = lock.freed_stale
        try:
            return lock.acquire(self._database, deadline.at, doing, sleep)
        finally:
            if lock.freed_stale > freed_before:
                log.warning("stale_lock_freed", database=self._database)

    def _report_not_taken(self, bug: Exception) -> None:
        self._resources.log.error("lock_not_taken", database=self._database, traceback=trace(bug))

    def release_later(self, lock_id: str) -> None:
        """Release the lock, after the reply if the request is the last one of its client."""
        self._resources.after_reply.release_later(partial(self.release, lock_id))

    def release(self, lock_id: str) -> None:
        """Release the lock; raise nothing, since the outcome of the transaction stands either way."""
        log = self._resources.log
        try:
            released = self._resources.lock.release(lock_id, self._database)
        except SldbError as error:
            log.warning("lock_not_released", database=self._database, lock_id=lock_id, error=error.message)
            return
        except Exception as error:  # noqa: BLE001 - a bug, which must not deny a transaction that was committed
            log.error("lock_not_released", database=self._database, lock_id=lock_id, traceback=trace(error))
            return
        if not released:
            log.warning("lock_was_broken", database=self._database, lock_id=lock_id)

    def commit(
        self, attempt: Callable[[], T], deadline: Deadline, patience: Patience, stats: dict[str, Any] | None = None
    ) -> T:
        """Return the result of `attempt`, called to commit a transaction on the state of the replica; repeat it on the
        newest state after each Conflict, counted in `stats`. Raises Gone or SldbError."""
        self._turns.give_way(self._replica, deadline)
        try:
            return self._repeat(attempt, deadline, patience, {} if stats is None else stats)
        except Gone:  # the caller begins again at once
            raise
        except Exception:
            self._turns.withdraw(self._replica)
            raise

    def has_other_writers(self, seen: Txid | None) -> bool:
        """Return True if other writers commit without a lock: since the transaction `seen`, the newest one
        a while ago, or within a moment if that is recent. Raises SldbError."""
        replica = self._replica
        if self._resources.has_lock or replica.txid != seen:
            return not self._resources.has_lock
        if 0 <= self._host.now() - replica.timestamp_ms / 1000 < RECENT_SECONDS:
            self._host.sleep(RECHECK_SECONDS)
            replica.refresh()
        return replica.txid != seen

    def announce(self, deadline: Deadline) -> None:
        """Make other writers give way to an attempt, if there is no lock to do so. The announcement
        is the newest transaction of the replica then. Raises SldbError."""
        self._turns.announce(self._replica, deadline, MAX_SECONDS)

    def _repeat(self, attempt: Callable[[], T], deadline: Deadline, patience: Patience, stats: dict[str, Any]) -> T:
        replica, lost_races, attempts = self._replica, 0, 0
        while attempts < COMMIT_ATTEMPTS:
            before, started = replica.txid, self._host.now()
            try:
                return attempt()
            except Conflict as conflict:
                lost = conflict
            took = self._host.now() - started
            if lost.is_lost_race:
                stats["conflicts"] = stats.get("conflicts", 0) + 1
                self._back_off(attempts, deadline)
                attempts += 1
            replica.refresh(deadline=deadline.at, has_news=True)
            self._turns.give_way(replica, deadline)
            lost_races += replica.txid > before
            if patience.is_over(lost_races, took):
                self._turns.announce(replica, deadline, took)
        raise SldbError(
            "conflict",
            f"other writers of {self._database} came first, {COMMIT_ATTEMPTS} times ({lost})",
            "try again; with SLDB_LOCK=none many concurrent writers conflict with each other",
            applied="no",
        )

    def _back_off(self, attempt: int, deadline: Deadline) -> None:
        max_pause = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempt)
        pause = max_pause * self._host.jitter()
        if self._host.now() + pause >= deadline.at:
            raise SldbError(
                "conflict",
                f"other writers of {self._database} came first until the time was up",
                "try again, or give the request more time (timeout)",
                applied="no",
            )
        deadline.pause(pause, self._host.sleep)

    def _sleep(self, deadline: Deadline) -> Sleep:
        return lambda seconds: deadline.pause(seconds, self._host.sleep)
