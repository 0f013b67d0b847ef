"""The newest state of a database: its local copy, and the conditions for reading and writing it."""

from __future__ import annotations

from lambda_handlers.database.errors import check_txid, dropped, no_database, not_there_yet
from lambda_handlers.database.local_copy import Copy
from lambda_handlers.deadline import Deadline
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.wire import DEFAULT_DATABASE, SldbError


class NewestState:
    def __init__(self, database: str, copy: Copy, retention_days: float) -> None:
        self.database = database
        self.copy = copy
        self._retention_days = retention_days
        self.is_cold = True  # no request has found it yet

    @property
    def replica(self) -> Replica:
        return self.copy.replica

    def refresh(self, deadline: Deadline, max_staleness: float = 0.0, min_txid: Txid = 0) -> None:
        """Bring the copy to the newest transaction, unless it was checked within `max_staleness` seconds and has
        transaction `min_txid`. Raises SldbError, `not_found` if the log does not have that."""
        deadline.check_cancelled()
        self.replica.refresh(max_staleness, deadline.at)
        self.is_cold = False
        if self.replica.txid < min_txid and max_staleness:
            self.replica.refresh(0.0, deadline.at)
        if self.replica.txid < min_txid:
            self.check_exists()
            raise not_there_yet(self.database, self.replica.txid, min_txid)

    def trust(self, deadline: Deadline, min_txid: Txid = 0) -> bool:
        """Let a request that begins with a write use the copy without asking for newer transactions: its commit
        succeeds only if there are none. Returns False if the copy must be refreshed. Raises `cancelled`."""
        deadline.check_cancelled()
        return self.replica.txid >= min_txid and self.replica.trust()

    def has_news(self, deadline: Deadline, max_staleness: float = 0.0) -> bool:
        """Return True if the request that trusts the copy has made no commit on it, and the copy was not the newest: it
        is now. One checked within `max_staleness` seconds counts as the newest. Raises SldbError."""
        before = self.replica.txid
        if self.replica.is_trusted:
            self.refresh(deadline, max_staleness)
        return self.replica.txid != before

    def check_exists(self, replica: Replica | None = None) -> None:
        """Raise `not_found` for a database dropped or never written to; only the default one may be read before its
        first write. `replica`: of another state than the newest."""
        self.check_not_dropped(replica)
        if (replica or self.replica).txid == 0 and self.database != DEFAULT_DATABASE:
            raise no_database(self.database)

    def check_not_dropped(self, replica: Replica | None = None) -> None:
        """Raise `not_found` for a dropped database. `replica`: of another state than the newest."""
        replica = replica or self.replica
        if replica.txid and not replica.page_count:
            raise dropped(self.database, replica.txid, replica.timestamp_ms, self._retention_days)

    def check_may_create(self, may_create: bool, replica: Replica | None = None) -> None:
        """Raise `not_found`, with `creatable`, if a write would create the database and must not: the state before
        it has no pages. To be called for each state before a write. `replica`: of another state than the newest."""
        if may_create or (replica or self.replica).page_count:
            return
        try:
            self.check_not_dropped(replica)
        except SldbError as error:
            error.details.update(creatable=True, applied="no")
            raise
        raise no_database(self.database, creatable=True, applied="no")

    def check_txid(self, if_txid: Txid | None) -> None:
        """Raise `conflict` if another transaction than `if_txid` is the newest."""
        check_newest(self.replica, if_txid)


def check_newest(current: Replica, if_txid: Txid | None) -> None:
    """Raise `conflict` if another transaction than `if_txid` is the newest. One without changes (an announcement)
    counts as the one before it."""
    if if_txid is None or not current.unchanged_since <= if_txid <= current.txid:
        check_txid(current.database, current.txid, if_txid)
