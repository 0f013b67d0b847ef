"""Warm sessions: the open SQLite connections of the last interactive transactions, kept between requests.

A session stands for one state: the base and the statements of a transaction, in a key that differs for any other. A
request that continues exactly this state takes it; the session has a new key then, or is closed. It is a cache of
replays, and nothing depends on a hit.

A session on the newest copy is lost as soon as that copy moves on; one on a past moment holds the copy of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lambda_handlers.database.attached_databases import AttachedDatabases
from lambda_handlers.database.local_copy import Workspace
from lambda_handlers.sql.session import Session
from lambda_handlers.storage.log.ltx import Txid

MAX_SESSIONS = 8  # of one database
MAX_BYTES = 64 << 20  # of their changed pages together
MAX_AGE_SECONDS = 600.0  # since its last request


@dataclass(slots=True)
class WarmSession:
    """A session with all that it needs; to be closed once."""

    session: Session
    workspace: Workspace
    attached: AttachedDatabases
    base: Txid
    release: Callable[[], None]  # the copy that it stands on
    used_at: float = field(default=0.0)  # unix seconds

    @property
    def is_outdated(self) -> bool:
        """True if the copy has moved on to another transaction."""
        return self.workspace.replica.txid != self.base

    def close(self, has_lost_files: bool = False) -> None:
        """Roll back, and free everything. `has_lost_files`: files of an attached database are gone."""
        self.session.close()
        self.attached.close(has_lost_files)
        self.workspace.close()
        self.release()


class WarmSessions:
    def __init__(self, now: Callable[[], float], max_sessions: int = MAX_SESSIONS) -> None:
        """`now` returns unix seconds."""
        self._now = now
        self._max_sessions = max_sessions
        self._sessions: dict[bytes, WarmSession] = {}  # the one used last comes last

    @property
    def size_bytes(self) -> int:
        """The size of the local files."""
        return sum(warm.workspace.draft.size_bytes for warm in self._sessions.values())

    def take(self, key: bytes) -> WarmSession | None:
        """Remove and return the session of a state, if it is here; the caller keeps it again, or closes it."""
        self._drop_stale()
        return self._sessions.pop(key, None)

    def keep(self, key: bytes, warm: WarmSession) -> None:
        """Keep a session for the next request; it may be closed at any time."""
        self._close(key)
        warm.used_at = self._now()
        self._sessions[key] = warm
        while self._sessions and (len(self._sessions) > self._max_sessions or self.size_bytes > MAX_BYTES):
            self._close(next(iter(self._sessions)))

    def drop(self) -> None:
        """Close all sessions."""
        for key in list(self._sessions):
            self._close(key)

    def _drop_stale(self) -> None:
        for key, warm in list(self._sessions.items()):
            if warm.is_outdated or not 0 <= self._now() - warm.used_at <= MAX_AGE_SECONDS:
                self._close(key)

    def _close(self, key: bytes) -> None:
        warm = self._sessions.pop(key, None)
        if warm is not None:
            warm.close()
