"""Applied requests of one database: found by their ids, and recorded with the reply in their own transactions.

The table and its rules are in `sql.own.request_log`; this module provides the database's part: its name, its copy, two
clocks, and the store for replies too large for the table. It does the same for committed transactions of several
requests (`sql.own.transaction_log`), and for the ids of queued requests (`sql.own.queue_log`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from lambda_handlers.database.errors import committed_otherwise, transaction_expired
from lambda_handlers.database.local_copy import Copy
from lambda_handlers.database.newest_state import NewestState
from lambda_handlers.database.replies import Replies
from lambda_handlers.database.run import Run
from lambda_handlers.resources import Resources
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.sql.own import request_log
from lambda_handlers.sql.own.request_log import Applied, Recorded, Times
from lambda_handlers.sql.session import Session
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.wire import Reply, SldbError

if TYPE_CHECKING:
    from lambda_handlers.sql.own.queue_log import Found, QueuedId
    from lambda_handlers.sql.own.transaction_log import Attempt, Committed

_DAY_SECONDS = 86_400


class AppliedRequests:
    def __init__(self, resources: Resources, newest: NewestState, replies: Replies) -> None:
        self._database = newest.database
        self._clock = resources.store.clock
        self._host = resources.host
        self._newest = newest
        self._replies = replies
        self._queue_seconds = resources.settings.queue_retention_days * _DAY_SECONDS

    def find(self, session: Session, copy: Copy, request_id: str, queued: QueuedId | None = None) -> Applied | None:
        """Return the request with this id, if it was applied to this database and is remembered in the copy. `queued`:
        the same id, of a message of a queue."""
        return self._recorded(session, copy, request_id) or self._found_in_queue_log(session, copy, queued)

    def search(self, session: Session, copy: Copy, request_id: str) -> Applied | None:
        """Return the request with this id as `find` does, or one that came by a queue, whenever that was."""
        from lambda_handlers.sql.own import queue_log  # few requests need it, and imports slow down cold starts

        if (found := self._recorded(session, copy, request_id)) is not None:
            return found
        times = self.times(copy)
        name, since = self._database, self._queue_since(times)
        return self._applied(
            session.trusted(lambda connection: queue_log.search(connection, name, request_id, since, times.until))
        )

    def _found_in_queue_log(self, session: Session, copy: Copy, queued: QueuedId | None) -> Applied | None:
        if queued is None:
            return None
        from lambda_handlers.sql.own import queue_log

        since = self._queue_since(self.times(copy))
        found: Found | None = session.trusted(
            lambda connection: queue_log.find(connection, self._database, queued, since)
        )
        return self._applied(found)

    def _applied(self, found: Found | None) -> Applied | None:
        if found is None:
            return None
        return Applied(found.at, Reply((), found.txid, self._database), has_reply=False)

    def _queue_since(self, times: Times) -> float:
        """Return the time since when requests of queues are remembered."""
        return min(times.clock, times.log) - self._queue_seconds

    def _recorded(self, session: Session, copy: Copy, request_id: str) -> Applied | None:
        times = self.times(copy)
        found: Recorded | None = session.trusted(lambda connection: request_log.find(connection, request_id, times))
        reply = request_log.decode(found.entry, self._replies.kept) if found else None
        if found is None or reply is None:
            return None
        if reply.database != self._database and not session.trusted(
            lambda connection: request_log.was_renamed(connection, reply.database, found.at, self._database, times)
        ):
            return None  # of the database that this one is a branch of
        return Applied(found.at, reply)

    def record(
        self, session: Session, copy: Copy, request_id: str | None, reply: Reply, queued: QueuedId | None = None
    ) -> None:
        """Record a request in its open transaction, if it has an id, and give the transaction its time."""
        entry = request_log.encode(reply, self._replies.keep) if request_id is not None else b""
        times = self._times_of_next(copy)
        if request_id is not None:
            session.trusted(lambda connection: request_log.record(connection, request_id, times, entry))
        elif times.now < times.log:
            session.trusted(lambda connection: request_log.take_back(connection, times))
        if queued is not None:
            from lambda_handlers.sql.own import queue_log

            key, since = queued.key(self._database), self._queue_since(times)
            session.trusted(lambda connection: queue_log.record(connection, key, times.now, reply.txid, since))

    def find_transaction(self, session: Session, copy: Copy, attempt: Attempt) -> Reply | None:
        """Return the reply of the commit of a transaction, if it was committed to this database before. Raises
        `conflict` if that was with other statements, `not_found` if it is too late to know; `corrupt`,
        `store_error`."""
        from lambda_handlers.sql.own import transaction_log

        found: Committed | None = session.trusted(lambda connection: transaction_log.find(connection, attempt.id))
        if found is None:
            if attempt.has_expired(self.times(copy)):
                raise transaction_expired()
            return None
        reply = request_log.decode(found.entry, self._replies.kept)
        if not found.includes(attempt):
            raise committed_otherwise(None if reply is None else reply.txid)
        if reply is None:
            raise SldbError(
                "corrupt",
                "the transaction was committed before, and the record of its reply is damaged",
                "its rows are in the database; its reply is lost",
                applied="yes",
            )
        return reply

    def record_transaction(self, session: Session, copy: Copy, attempt: Attempt, reply: Reply) -> None:
        """Record the commit of a transaction in its SQLite transaction, beside `record`."""
        from lambda_handlers.sql.own import transaction_log

        entry, times = request_log.encode(reply, self._replies.keep), self.times(copy)
        session.trusted(lambda connection: transaction_log.record(connection, attempt, times, entry))

    def record_note(self, session: Session, copy: Copy, run: Run) -> None:
        """Record the note of a request's transaction in its SQLite transaction, beside `record`, if it has one."""
        request = run.request
        if not (request.message or request.command or run.caller.name):
            return
        from lambda_handlers.sql.own import notes
        from lambda_handlers.wire.note import Note

        note, txid = Note(request.message, request.command, run.caller.name or None), copy.replica.txid + 1
        copy.draft.note_page = session.trusted(lambda connection: notes.record(connection, txid, note))

    def note_rename(self, session: Session, target: str) -> None:
        """Commit a note that the database is about to be renamed to `target`, if there is anything to remember. Raises
        Conflict, Gone or SldbError."""
        times = self.times(self._newest.copy)

        def note(connection: apsw.Connection) -> None:
            request_log.note_rename(connection, self._database, target, times)

        session.write_own(Kind.RENAME_DATABASE, note)

    def times(self, copy: Copy, now: float | None = None) -> Times:
        """Return the times by which entries in a copy are judged: of this machine and of the newest transaction."""
        clock, replica = self._clock.corrected(self._host.now() if now is None else now), copy.replica
        is_known = copy is self._newest.copy and replica.txid > 0
        return Times(clock, replica.timestamp_ms / 1000 if is_known else clock)

    def _times_of_next(self, copy: Copy) -> Times:
        """Return the times with that of the transaction that is about to be made, which the draft gets, too."""
        now = self._host.now()
        copy.draft.time_ms = copy.replica.next_time_ms(now)
        return replace(self.times(copy, now), made=copy.draft.time_ms / 1000)
