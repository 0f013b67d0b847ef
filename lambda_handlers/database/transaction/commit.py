"""The COMMIT of an interactive transaction: all of its statements on the newest state, compared, and committed.

Attached databases are read anew, except for past moments that the client named: a transaction that kept reading their
old states could undo what others have committed since. The log of requests records the transaction's id with the
statements, so that the same token applies once, as does an earlier one of the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lambda_handlers.database.attached_databases import AttachedDatabases
from lambda_handlers.database.parts import Parts
from lambda_handlers.database.run import Run
from lambda_handlers.database.transaction.shown_results import check_shown
from lambda_handlers.database.transaction.token import Kept, Transaction
from lambda_handlers.database.writer_turns import OF_REQUEST
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.sql.reply_limit import DISCARDED
from lambda_handlers.sql.session import READ, Mode, Session
from lambda_handlers.sql.statements import Step
from lambda_handlers.storage.replica import Gone
from lambda_handlers.storage.vfs import Attach
from lambda_handlers.wire import Reply, Result
from lambda_handlers.wire.transaction import COMMIT, ROLLBACK

_COMMITTING = Mode(may_write=True, may_commit=True)
_DOING = "COMMIT"  # for the holder of the lock


class Commit:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def applied_before(self, run: Run) -> Reply | None:
        """Return the reply of a request with an id of its own, if it was applied before. The copy must be the newest.
        Raises Gone or SldbError."""
        copy, request_id = self._parts.newest.copy, run.request_id(may_write=False)
        if request_id is None:
            return None
        copy.draft.clear()
        session = Session(copy.vfs, READ, run.deadline)
        try:
            return self._found(session, run, request_id)
        finally:
            session.close()

    def run(self, run: Run, transaction: Transaction, steps: Sequence[Step], shown: tuple[Result, ...]) -> Reply:
        """Commit a transaction with further statements of the request. `shown`: the results of the request so far.
        Raises `conflict` if a statement shows something else now than it did, the error of a statement or of COMMIT,
        Gone, or SldbError."""
        writes, newest = self._parts.writes, self._parts.newest
        if not self._may_create(run, transaction):
            newest.refresh(run.deadline)
            newest.check_may_create(False)  # before the lock is taken, which may leave an object
        started = run.deadline.now()
        with writes.locked(_DOING, run.deadline) as holder:
            run.lock_id = holder.lock_id
            run.stats["lock_wait_ms"] = run.ms_since(started)
            newest.refresh(run.deadline)
            attempt = partial(self._attempt, run, transaction, steps, shown)
            return writes.commit(attempt, run.deadline, OF_REQUEST, run.stats)

    def _attempt(self, run: Run, transaction: Transaction, steps: Sequence[Step], shown: tuple[Result, ...]) -> Reply:
        parts, copy = self._parts, self._parts.newest.copy
        copy.draft.clear()
        moments = {name: txid for name, txid in transaction.attached.items() if "@" in name}
        attached = AttachedDatabases(parts.find, run.caller, 0.0, {parts.name: copy.replica}, run.deadline, moments)
        rest = copy.vfs, _COMMITTING, run.deadline, DISCARDED, attached.open, transaction.pin
        session = Session(*rest, in_transaction=True, watch=parts.resources.watch)
        has_lost_files = False
        try:
            reply = self._run_in(session, run, transaction, steps, shown, attached.open)
            return parts.replies.outgoing(reply, run.delivery)
        except Gone:
            has_lost_files = True
            raise
        finally:
            session.close()
            attached.close(has_lost_files)
            copy.draft.clear()

    def _run_in(
        self,
        session: Session,
        run: Run,
        transaction: Transaction,
        steps: Sequence[Step],
        shown: tuple[Result, ...],
        attach: Attach,
    ) -> Reply:
        parts, copy, request = self._parts, self._parts.newest.copy, run.request
        new = tuple(Kept(step.piece.sql, step.params, b"", step.shows_lastrowid) for step in steps)
        whole = replace(transaction, statements=transaction.statements + new)
        if before := parts.applied.find_transaction(session, copy, whole.attempt()):
            return before
        request_id = run.request_id(may_write=True)
        if request_id is not None and (before := self._found(session, run, request_id)):
            return before
        parts.newest.check_txid(request.if_txid)
        parts.newest.check_may_create(self._may_create(run, transaction))
        with run.executing_on(copy.vfs):
            check_shown(session, transaction.statements, " on the newest state")
            session.resume(run.deadline, parts.replies.room(run), attach)
            results = session.run_steps(steps, request.on_error)
        if results and (failed := results[-1].error) is not None and request.on_error == "stop":
            raise failed.in_transaction({"ended": ROLLBACK}) if session.groups.ended == ROLLBACK else failed
        if session.groups.ended == ROLLBACK:
            return self._reply(run, results, copy.replica.txid, ROLLBACK)
        run.deadline.check()
        return self._commit(session, run, whole, (*shown, *results))

    def _commit(self, session: Session, run: Run, transaction: Transaction, results: tuple[Result, ...]) -> Reply:
        copy, started = self._parts.newest.copy, run.deadline.now()
        reply = replace(self._reply(run, results, copy.replica.txid + 1, COMMIT), warnings=session.warnings)
        self._parts.applied.record(session, copy, run.request_id(may_write=True), reply)
        self._parts.applied.record_transaction(session, copy, transaction.attempt(), reply)
        self._parts.applied.record_note(session, copy, run)
        session.commit()
        run.stats["commit_ms"] += max(run.ms_since(started), 0.001)
        return reply

    def _found(self, session: Session, run: Run, request_id: str) -> Reply | None:
        before = self._parts.applied.find(session, self._parts.newest.copy, request_id)
        return replace(before.reply, stats=run.stats) if before else None

    def _may_create(self, run: Run, transaction: Transaction) -> bool:
        """Return True if the commit may create the database: its request says so, or an earlier one of the transaction
        has begun to."""
        return run.request.create or (transaction.writes and not transaction.base)

    def _reply(self, run: Run, results: tuple[Result, ...], txid: int, ended: str) -> Reply:
        return Reply(results, txid, self._parts.name, run.stats, transaction={"ended": ended})
