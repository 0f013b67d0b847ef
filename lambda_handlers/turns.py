"""Whose turn it is to write where no lock is taken: announcing what takes long, and giving way to what was announced.

A writer that lost a race finds an announcement (storage.announcing) as the newest transaction, and waits for the next
one: with pauses that differ, until the announcement ends, and for no more than half of the time that its request has
left, so that it can commit all the same. Reads never wait.

The first race that is lost shows that there are other writers; before that nothing is announced, so that a database to
which one client writes pays nothing. `Patience` says which losses are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.storage import announcements
from lambda_handlers.storage.announcements import MAX_SECONDS, Announcement
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Conflict, Replica
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0
ANNOUNCE_TRIES = 50  # each is a request or two: against eight writers one in nine succeeds
LEAST_SECONDS = 2
_TIMES_AS_LONG = 3  # an announcement holds as the try that was lost took


@dataclass(frozen=True, slots=True)
class Patience:
    """How many races a writer loses before it announces itself: `quick` of them, or `slow` where each try took
    `slow_seconds` or more."""

    quick: int
    slow: int
    slow_seconds: float

    def is_over(self, lost: int, took_seconds: float) -> bool:
        return lost >= self.quick or (lost >= self.slow and took_seconds >= self.slow_seconds)


OF_ACTION = Patience(quick=3, slow=1, slow_seconds=0.25)
OF_REQUEST = Patience(quick=10, slow=3, slow_seconds=1.0)


class Turns:
    """Of one database of one container; not for two threads at a time."""

    def __init__(self, store: ObjectStore, host: Host, log: Log, is_on: bool) -> None:
        self._store = store
        self._host = host
        self._log = log
        self._is_on = is_on
        self._mine: Announcement | None = None
        self._looked_at: Txid = 0
        self._found: Announcement | None = None  # what transaction `_looked_at` announces
        self._seen_at = 0.0  # unix seconds: when that was found

    def give_way(self, replica: Replica, deadline: float) -> None:
        """Wait while the newest transaction is another's announcement, but not for long; `replica` is refreshed
        meanwhile. Raises SldbError."""
        if not self._is_on:
            return
        most = self._host.now() + max(0.0, deadline - self._host.now()) / 2
        longest = FIRST_PAUSE_SECONDS
        while (found := self._announced(replica)) is not None:
            now = self._host.now()
            left = min(found.ends_at, self._seen_at + found.seconds, most) - now
            if left <= 0:
                return
            self._host.sleep(min(left, longest * (1 + self._host.jitter()) / 2))
            longest = min(2 * longest, LONGEST_PAUSE_SECONDS)
            replica.refresh(deadline=deadline)

    def announce(self, replica: Replica, deadline: float, took_seconds: float) -> None:
        """Have others give way to what is tried next. Where that does not come about, nothing is lost."""
        seconds = round(min(MAX_SECONDS, max(LEAST_SECONDS, _TIMES_AS_LONG * took_seconds)))
        for _ in range(ANNOUNCE_TRIES if self._is_on else 0):
            self.give_way(replica, deadline)
            if not replica.page_count or self._host.now() >= deadline:
                return
            try:
                self._mine = Announcement.of(replica.announce(seconds))
            except Conflict:
                replica.refresh(deadline=deadline)
            except SldbError as error:
                self._log.warning("not_announced", database=replica.database, error=error.message)
                return
            else:
                self._log.info("announced", database=replica.database, txid=replica.txid, seconds=seconds)
                return

    def withdraw(self, replica: Replica) -> None:
        """What was announced is not going to be: let the others go on, unless they do."""
        mine, self._mine = self._mine, None
        if mine is None or replica.txid != mine.txid or self._host.now() >= mine.ends_at:
            return
        try:
            self._mine = Announcement.of(replica.announce(0))
        except (Conflict, SldbError) as error:
            self._log.info("not_withdrawn", database=replica.database, txid=mine.txid, error=str(error))

    def _announced(self, replica: Replica) -> Announcement | None:
        """What the newest transaction announces, if it is another writer's."""
        if not replica.may_be_announced:
            return None
        if self._looked_at != replica.txid:
            self._found = announcements.read(self._store, replica.database, replica.txid)
            self._looked_at, self._seen_at = replica.txid, self._host.now()
        is_mine = self._found is not None and self._mine is not None and self._found.node_id == self._mine.node_id
        return None if is_mine else self._found
