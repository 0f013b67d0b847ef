"""Turns of writers without a lock: a long transaction is announced, and other writers give way to an announcement.

The loser of a race finds an announcement (storage.announcements) as the newest transaction, and waits for the
next one: with different pauses, until the announcement ends, and for no more than half of the time left to its
request, so that it can still commit. Reads never wait.

The first lost race shows that there are other writers; before that nothing is announced, so that a database with one
client pays nothing. `Patience` counts the losses.
"""

from __future__ import annotations

from lambda_handlers.deadline import Deadline
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage import announcements
from lambda_handlers.storage.announcements import MAX_SECONDS, Announcement
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Conflict, Replica
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.05, 1.0
MAX_ANNOUNCE_ATTEMPTS = 50  # each is a request or two: against eight writers one in nine succeeds
MIN_SECONDS = 2
_TIMES_AS_LONG = 3  # as the lost attempt took: the duration of an announcement


@dataclass(frozen=True, slots=True)
class Patience:
    """The races lost by a writer before it announces itself: `quick` of them, or `slow` if each attempt took
    `slow_seconds` or more."""

    quick: int
    slow: int
    slow_seconds: float

    def is_over(self, lost: int, took_seconds: float) -> bool:
        return lost >= self.quick or (lost >= self.slow and took_seconds >= self.slow_seconds)


OF_ACTION = Patience(quick=3, slow=1, slow_seconds=0.25)
OF_REQUEST = Patience(quick=10, slow=3, slow_seconds=1.0)


class Turns:
    """The turns of one database in one container; not for two threads at a time."""

    def __init__(self, store: ObjectStore, host: Host, log: Log, is_on: bool) -> None:
        self._store = store
        self._host = host
        self._log = log
        self._is_on = is_on
        self._mine: Announcement | None = None
        self._read_at: Txid = 0
        self._found: Announcement | None = None  # what transaction `_read_at` announces
        self._seen_at = 0.0  # unix seconds: when that was found

    def give_way(self, replica: Replica, deadline: Deadline) -> None:
        """Wait while the newest transaction is another writer's announcement, but not for long; `replica` is refreshed
        meanwhile. Raises SldbError."""
        if not self._is_on:
            return
        wait_until = self._host.now() + max(0.0, deadline.seconds_left) / 2
        max_pause = FIRST_PAUSE_SECONDS
        while (found := self._announced(replica)) is not None:
            now = self._host.now()
            left = min(found.ends_at, self._seen_at + found.seconds, wait_until) - now
            if left <= 0:
                return
            deadline.pause(min(left, max_pause * (1 + self._host.jitter()) / 2), self._host.sleep)
            max_pause = min(2 * max_pause, MAX_PAUSE_SECONDS)
            replica.refresh(deadline=deadline.at)

    def announce(self, replica: Replica, deadline: Deadline, took_seconds: float) -> None:
        """Make other writers give way to the next attempt. If that fails, nothing is lost."""
        seconds = round(min(MAX_SECONDS, max(MIN_SECONDS, _TIMES_AS_LONG * took_seconds)))
        for _ in range(MAX_ANNOUNCE_ATTEMPTS if self._is_on else 0):
            self.give_way(replica, deadline)
            if not replica.page_count or deadline.is_over():
                return
            try:
                self._mine = Announcement.of(replica.announce(seconds))
            except Conflict:
                replica.refresh(deadline=deadline.at)
            except SldbError as error:
                self._log.warning("not_announced", database=replica.database, error=error.message)
                return
            else:
                self._log.info("announced", database=replica.database, txid=replica.txid, seconds=seconds)
                return

    def withdraw(self, replica: Replica) -> None:
        """Withdraw the announcement of a failed transaction, unless other writers have continued already."""
        mine, self._mine = self._mine, None
        if mine is None or replica.txid != mine.txid or self._host.now() >= mine.ends_at:
            return
        try:
            self._mine = Announcement.of(replica.announce(0))
        except (Conflict, SldbError) as error:
            self._log.info("not_withdrawn", database=replica.database, txid=mine.txid, error=str(error))

    def _announced(self, replica: Replica) -> Announcement | None:
        """Return the newest transaction as an announcement, if it is one of another writer."""
        if not replica.may_be_announced:
            return None
        if self._read_at != replica.txid:
            self._found = announcements.read(self._store, replica.database, replica.txid)
            self._read_at, self._seen_at = replica.txid, self._host.now()
        is_mine = self._found is not None and self._mine is not None and self._found.node_id == self._mine.node_id
        return None if is_mine else self._found
