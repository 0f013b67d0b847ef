"""The request runner: the statements of a request in a session on one local copy, from the first to the commit.

A request applied before is answered with its recorded reply. Otherwise its conditions are checked, its
statements run, and their writes are committed together with the record of the request; a dry run stops before that.
Whether a session may write, and on which copy, is decided by `database`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lambda_handlers.database.applied_requests import AppliedRequests
from lambda_handlers.database.attached_databases import AttachedDatabases, Readable
from lambda_handlers.database.errors import changed_result, unconfirmed
from lambda_handlers.database.local_copy import Copy
from lambda_handlers.database.newest_state import NewestState
from lambda_handlers.database.replies import Replies
from lambda_handlers.database.run import Run
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.sql.session import Mode, Session
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Gone
from lambda_handlers.wire import Reply, Result

if TYPE_CHECKING:
    from lambda_handlers.insights.watch import StatementWatch


class RequestRunner:
    def __init__(
        self,
        newest: NewestState,
        replies: Replies,
        applied: AppliedRequests,
        find: Callable[[str], Readable],
        watch: StatementWatch | None,
    ) -> None:
        """`find` returns a database of the stack by its name, open until the request is over."""
        self._database = newest.database
        self._newest = newest
        self._replies = replies
        self._applied = applied
        self._find = find
        self._watch = watch

    def run(self, run: Run, copy: Copy, may_write: bool) -> Reply:
        """Run the request on a copy. Raises WriteNeeded, Conflict, Gone or SldbError."""
        run.caller.require(self._database, writes=may_write)
        request = run.request
        copy.draft.clear()
        own = {self._database: copy.replica} if copy is self._newest.copy else {}
        attached = AttachedDatabases(self._find, run.caller, request.max_staleness, own, run.deadline)
        mode = Mode(may_write, may_commit=not request.dry_run, counts_changes=request.dry_run or request.careful)
        compares = request.pin is not None or request.expect is not None
        room = self._replies.room(run, is_recorded=may_write)
        parts = copy.vfs, mode, run.deadline, room, attached.open, request.pin
        session = Session(*parts, makes_digests=compares, watch=self._watch)
        has_lost_files = False
        try:
            reply = replace(self._run_in(session, run, copy), stats=run.stats)
            return self._replies.outgoing(reply, run.delivery)
        except Gone:
            has_lost_files = True
            raise
        finally:
            session.close()
            attached.close(has_lost_files)
            copy.draft.clear()

    def _run_in(self, session: Session, run: Run, copy: Copy) -> Reply:
        """Return the reply, without its stats."""
        request, request_id = run.request, run.request_id(session.may_write)
        queued = run.delivery.queued
        if request_id is not None and (before := self._applied.find(session, copy, request_id, queued)):
            return before.reply
        if session.may_write and not request.dry_run:  # an applied request has made its own if_txid outdated
            self._newest.check_txid(request.if_txid)
            self._newest.check_may_create(request.create)
        with run.executing_on(copy.vfs):
            results = session.run(request.statements, request.on_error)
        if request.expect is not None:
            check_expected(results, request.expect)
        if request.dry_run and session.changes:
            reply = self._reply(session, results, copy.replica.txid)
            return replace(reply, changes=session.changes.by_table, destroys=session.changes.destroys)
        if not session.has_written:
            return self._reply(session, results, copy.replica.txid)
        self._check_before_commit(session, run, copy)
        return self._commit(session, run, copy, results)

    def _check_before_commit(self, session: Session, run: Run, copy: Copy) -> None:
        if run.request.careful and session.changes and session.changes.destroys:
            raise unconfirmed(session.changes.destroys, copy.replica.txid)
        # The watchdog's thread, which gives up a request long after its deadline, relies on this.
        if copy.vfs.permit.txid is None:
            run.hold_lock()
            run.deadline.check()

    def _commit(self, session: Session, run: Run, copy: Copy, results: tuple[Result, ...]) -> Reply:
        started = run.deadline.now()
        # Otherwise VACUUM has committed by itself. It is not recorded, because running it twice does no harm.
        if copy.vfs.permit.txid is None:
            reply = self._reply(session, results, copy.replica.txid + 1)
            self._applied.record_note(session, copy, run)
            self._applied.record(session, copy, run.request_id(session.may_write), reply, run.delivery.queued)
            session.commit()
        run.stats["commit_ms"] += max(run.ms_since(started), 0.001)  # 0: nothing was committed
        return self._reply(
            session, results, copy.replica.txid if copy.vfs.permit.txid is None else copy.vfs.permit.txid
        )

    def _reply(self, session: Session, results: tuple[Result, ...], txid: Txid) -> Reply:
        return Reply(results, txid, self._database, warnings=session.warnings)


def check_expected(results: Sequence[Result], expected: Sequence[str | None]) -> None:
    """Raise `conflict` if a result has another digest than the request expects."""
    for position, digest in enumerate(expected):
        result = results[position] if position < len(results) else Result()
        if digest is not None and digest != result.digest:
            raise changed_result("", position, result)
