"""Warm sessions: the open SQLite connections of the last interactive transactions, kept between requests.

A session stands for one state: the base and the statements of a transaction, in a key that differs for any other. A
request that continues exactly this state takes it; the session has a new key then, or is closed. It is a cache of
replays, and nothing depends on a hit.

A session on the newest copy is lost as soon as that copy moves on; one on a past moment holds the copy of it.

The sessions of all databases of a container share its files and its disk, and so their limits.
"""

from __future__ import annotations

from collections.abc import Callable

from lambda_handlers.database.attached_databases import AttachedDatabases
from lambda_handlers.database.local_copy import Workspace
from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.sql.session import Session
from lambda_handlers.storage.log.ltx import Txid

MAX_SESSIONS = 8  # of one database
MAX_SESSIONS_IN_ALL = 32  # each has about three open files
MAX_BYTES = 64 << 20  # of their local files together: changed pages, journals, temporary tables
MAX_AGE_SECONDS = 600.0  # since its last request


@dataclass(slots=True)
class WarmSession:
    """A session with all that it needs; to be closed once."""

    database: str
    session: Session
    workspace: Workspace
    attached: AttachedDatabases
    base: Txid
    release: Callable[[], None]  # the copy that it stands on
    holds_copy: bool = False  # of a past moment
    used_at: float = field(default=0.0)  # unix seconds

    @property
    def is_outdated(self) -> bool:
        """True if the copy has moved on to another transaction."""
        return self.workspace.replica.txid != self.base

    @property
    def size_bytes(self) -> int:
        """The size of its local files."""
        return self.workspace.draft.size_bytes + self.workspace.vfs.temporary_bytes

    def close(self, has_lost_files: bool = False) -> None:
        """Roll back, and free everything. `has_lost_files`: files of an attached database are gone."""
        self.session.close()
        self.attached.close(has_lost_files)
        self.workspace.close()
        self.release()


class WarmSessions:
    """The sessions of all databases of a container."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` returns unix seconds."""
        self._now = now
        self._sessions: dict[bytes, WarmSession] = {}  # the one used last comes last

    def size_bytes(self, database: str) -> int:
        """Return the size of the local files of a database's sessions."""
        return sum(warm.size_bytes for _, warm in self._of(database))

    def take(self, key: bytes) -> WarmSession | None:
        """Remove and return the session of a state, if it is here; the caller keeps it again, or closes it."""
        self._drop_stale()
        return self._sessions.pop(key, None)

    def keep(self, key: bytes, warm: WarmSession) -> None:
        """Keep a session for the next request; it may be closed at any time."""
        self._close(key)
        self._drop_stale()
        warm.used_at = self._now()
        self._sessions[key] = warm
        while len(own := self._of(warm.database)) > MAX_SESSIONS:
            self._close(own[0][0])
        while self._sessions and self._are_too_many():
            self._close(next(iter(self._sessions)))

    def drop(self, database: str) -> None:
        """Close all sessions of a database."""
        for key, _ in self._of(database):
            self._close(key)

    def drop_holders(self, database: str, is_enough: Callable[[], bool]) -> None:
        """Close the sessions of a database that hold copies, the one unused for longest first, until it is enough."""
        for key, warm in self._of(database):
            if warm.holds_copy and not is_enough():
                self._close(key)

    def _of(self, database: str) -> list[tuple[bytes, WarmSession]]:
        return [(key, warm) for key, warm in self._sessions.items() if warm.database == database]

    def _are_too_many(self) -> bool:
        sizes = [warm.size_bytes for warm in self._sessions.values()]
        return len(sizes) > MAX_SESSIONS_IN_ALL or sum(sizes) > MAX_BYTES

    def _drop_stale(self) -> None:
        for key, warm in list(self._sessions.items()):
            if warm.is_outdated or not 0 <= self._now() - warm.used_at <= MAX_AGE_SECONDS:
                self._close(key)

    def _close(self, key: bytes) -> None:
        warm = self._sessions.pop(key, None)
        if warm is not None:
            warm.close()
