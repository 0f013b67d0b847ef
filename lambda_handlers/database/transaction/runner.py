"""Interactive transactions: the requests of a client between BEGIN and COMMIT, over a function that keeps nothing.

A transaction is a value: the state that it began from (its base), its pin of chance and time, and the statements so far
with a digest of each result that the client was shown. The client carries it in a token. On a fixed base the results of
a sequence of statements depend on nothing but the statements and the pin. So any container can continue it: it runs the
statements again, or finds the open session of exactly this state (`open_sessions`).

COMMIT runs all statements, reads too, on the newest state under the lock. If every digest is the one of the token, an
execution of the whole transaction at this point shows its client exactly what it saw: it is serialisable there,
whatever was committed meanwhile. Otherwise nothing is applied. A transaction that only read needs no commit: its base
was a state of the log.

The errors of statements are results too. A request that stops at one has no reply but the error, and the token beside
it includes the failed statement; the token that was sent still stands for the state before the request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lambda_handlers.caller import Caller
from lambda_handlers.database.parts import Parts
from lambda_handlers.database.run import Run
from lambda_handlers.database.transaction.commit import Commit
from lambda_handlers.database.transaction.open_sessions import OpenSessions
from lambda_handlers.database.transaction.token import ENGINE, Kept, Tokens, Transaction
from lambda_handlers.database.transaction.warm_sessions import WarmSession, WarmSessions
from lambda_handlers.deadline import Deadline
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.sql.execution import Described
from lambda_handlers.sql.pin import Pin
from lambda_handlers.sql.session import WriteNeeded
from lambda_handlers.sql.statements import Step, steps_of
from lambda_handlers.storage.replica import Gone
from lambda_handlers.wire import Notice, Reply, Request, Result, SldbError
from lambda_handlers.wire.transaction import COMMIT, ROLLBACK, InTransaction

T = TypeVar("T")

SEED_BYTES = 32  # of a pin
_LEAVES_OPEN = ("constraint", "sql_error", "bad_request")  # errors of a COMMIT after which its client may go on


@dataclass(frozen=True, slots=True)
class _Continued:
    """A transaction after the statements of one request."""

    transaction: Transaction
    results: tuple[Result, ...]  # of this request
    ended: str | None  # by one of its statements
    warnings: tuple[Notice, ...] = ()


class Transactions:
    """The interactive transactions of one database; not for two threads at a time."""

    def __init__(self, parts: Parts, warm: WarmSessions) -> None:
        """`warm`: those of the container."""
        self._parts, resources = parts, parts.resources
        self._tokens = Tokens(resources.store, resources.host, only_reads=resources.settings.read_only)
        self._sessions = OpenSessions(parts, warm)
        self._commit = Commit(parts)

    @property
    def size_bytes(self) -> int:
        """The size of the local files of open sessions."""
        return self._sessions.size_bytes

    def close(self) -> None:
        """Close all open sessions; the transactions go on elsewhere."""
        self._sessions.drop()

    def answer(self, run: Run, wanted: InTransaction) -> Reply:
        """Return the reply to a request inside a transaction. Raises Gone or SldbError; unless the error states
        otherwise, nothing was applied then."""
        return self._repaired(run, lambda: self._answer(run, wanted))

    def describe(self, sql: str, token: str, deadline: Deadline, caller: Caller) -> Described:
        """Return what SQLite knows of a statement in the state of a transaction. Raises Gone or SldbError."""
        run = Run(Request(()), deadline, {"execute_ms": 0.0}, None, None, caller)
        return self._repaired(run, lambda: self._describe(run, token, sql))

    def _repaired(self, run: Run, answer: Callable[[], T]) -> T:
        """Return the answer; drop the copies whose files are gone, if it raises that."""
        try:
            return answer()
        except Gone:
            self._sessions.drop()
            self._parts.moments.drop()
            self._parts.newest.refresh(run.deadline)
            raise

    def _answer(self, run: Run, wanted: InTransaction) -> Reply:
        transaction = self._begin(run) if wanted.token is None else self._opened(wanted.token, run)
        steps = list(steps_of(run.request.statements, run.deadline.check, shows_lastrowid=wanted.lastrowid))
        if wanted.end == ROLLBACK and not steps:
            self._sessions.drop_one(transaction)
            return self._ended(run, transaction, (), ROLLBACK)
        if wanted.begins and steps and (before := self._commit.applied_before(run)):
            return before
        if wanted.end == COMMIT:
            return self._commit_with(run, transaction, steps)
        continued = self._continue(run, transaction, steps) if steps else _Continued(transaction, (), None)
        ended = continued.ended or wanted.end
        if ended == COMMIT:
            reply = self._commit_with(run, continued.transaction, (), continued.results)
        else:
            reply = self._reply(run, continued, ended)
        return replace(reply, warnings=continued.warnings)

    # Beginning and continuing

    def _begin(self, run: Run) -> Transaction:
        resources, newest = self._parts.resources, self._parts.newest
        newest.refresh(run.deadline, run.request.max_staleness, run.request.min_txid)
        newest.check_may_create(run.request.create)  # before the key of tokens makes a directory for it
        now = resources.store.clock.corrected(resources.host.now())
        return Transaction(
            id=resources.host.nonce(),
            database=self._parts.name,
            base=newest.replica.txid,
            pin=Pin(resources.host.entropy(SEED_BYTES), int(now * 1000)),
            attached={},
            statements=(),
            writes=False,
            expires_at=self._tokens.expires_at(),
            engine=ENGINE,
            caller=run.caller.name,
        )

    def _describe(self, run: Run, token: str, sql: str) -> Described:
        transaction = self._opened(token, run)
        warm = self._sessions.open(run, transaction)
        try:
            warm.session.resume(run.deadline, self._parts.replies.room(run), warm.attached.open)
            described = warm.session.describe(sql)
        except BaseException:
            warm.close(has_lost_files=True)
            raise
        self._sessions.keep(warm, transaction)
        return described

    def _opened(self, token: str, run: Run) -> Transaction:
        transaction = self._tokens.open(token, self._parts.name, run.caller.name)
        _check_rights(run.caller, transaction)
        return transaction

    def _continue(
        self, run: Run, transaction: Transaction, steps: Sequence[Step], *, may_write: bool = True
    ) -> _Continued:
        """Run the statements of a request on the state of the transaction. Raises the error of one that stops the
        request, with the token of the transaction after it."""
        warm = self._sessions.open(run, transaction)
        try:
            room = self._parts.replies.room(run, is_recorded=False)  # only a commit is
            warm.session.resume(run.deadline, room, warm.attached.open, may_write=may_write and run.may_write)
            with run.executing_on(warm.workspace.vfs):
                results = self._run(warm, run, steps)
            continued = _continued(transaction, warm, steps, results)
            self._check_database(run, continued, warm)
        except BaseException:
            warm.close(has_lost_files=True)
            raise
        if continued.ended is None:
            self._sessions.keep(warm, continued.transaction)
        else:
            warm.close()
        self._raise_failure(run, continued)
        return continued

    def _run(self, warm: WarmSession, run: Run, steps: Sequence[Step]) -> tuple[Result, ...]:
        try:
            return warm.session.run_steps(steps, run.request.on_error)
        except WriteNeeded as need:
            run.check_may_write(need)
            run.caller.require(self._parts.name, writes=True)
            raise

    def _check_database(self, run: Run, continued: _Continued, warm: WarmSession) -> None:
        """Raise `not_found` for a database that does not exist on the base, unless the transaction creates it and may
        do so."""
        newest, replica = self._parts.newest, warm.workspace.replica
        if continued.transaction.writes:
            newest.check_may_create(run.request.create, replica)
        elif continued.results:
            newest.check_exists(replica)

    def _raise_failure(self, run: Run, continued: _Continued) -> None:
        """Raise the error that has stopped the request, with the transaction that goes on after it. If that comes after
        COMMIT, nothing is committed: the client goes on with the token that it has."""
        failed = continued.results[-1].error if continued.results else None
        if failed is None or run.request.on_error != "stop":
            return
        if continued.ended == COMMIT:
            raise failed
        raise failed.in_transaction(self._state(continued.transaction, continued.ended))

    # Ending

    def _commit_with(
        self, run: Run, transaction: Transaction, steps: Sequence[Step], shown: tuple[Result, ...] = ()
    ) -> Reply:
        """Commit the transaction, with further statements that were not shown before. `shown`: the results of this
        request so far."""
        if not transaction.writes:
            try:
                continued = self._continue(run, transaction, steps, may_write=False) if steps else None
            except WriteNeeded:
                pass
            else:
                results = continued.results if continued else shown
                reply = self._ended(run, transaction, results, (continued and continued.ended) or COMMIT)
                return replace(reply, warnings=continued.warnings) if continued else reply
        run.check_may_write("COMMIT")
        run.caller.require(self._parts.name, writes=True)
        try:
            reply = self._commit.run(run, transaction, steps, shown)
        except SldbError as error:
            if error.code in _LEAVES_OPEN and error.transaction is None and not steps:
                error.in_transaction(self._state(transaction, None))
            raise
        self._sessions.drop_one(transaction)
        return reply

    def _reply(self, run: Run, continued: _Continued, ended: str | None) -> Reply:
        if ended is not None:
            self._sessions.drop_one(continued.transaction)
            return self._ended(run, continued.transaction, continued.results, ended)
        reply = Reply(continued.results, continued.transaction.base, self._parts.name, run.stats)
        reply = replace(reply, transaction=self._state(continued.transaction, None))
        return self._parts.replies.outgoing(reply, run.delivery)

    def _ended(self, run: Run, transaction: Transaction, results: tuple[Result, ...], ended: str) -> Reply:
        reply = Reply(results, transaction.base, self._parts.name, run.stats, transaction={"ended": ended})
        return self._parts.replies.outgoing(reply, run.delivery)

    def _state(self, transaction: Transaction, ended: str | None) -> dict[str, str]:
        return {"ended": ended} if ended else {"token": self._tokens.seal(transaction)}


def _check_rights(caller: Caller, transaction: Transaction) -> None:
    """Raise `forbidden` if the caller has lost a right that the statements so far needed."""
    caller.require(transaction.database, writes=transaction.writes)
    for name in transaction.attached:
        caller.require(name.partition("@")[0], writes=False)


def _continued(
    transaction: Transaction, warm: WarmSession, steps: Sequence[Step], results: tuple[Result, ...]
) -> _Continued:
    ended = warm.session.groups.ended
    pairs = zip(steps, results, strict=False)  # an error may have stopped the request before its last step
    executed = [(step, result) for step, result in pairs if not _is_outside(result)]
    if ended == COMMIT:
        executed.pop()  # COMMIT itself
    kept = tuple(
        Kept(step.piece.sql, step.params, bytes.fromhex(result.digest or ""), step.shows_lastrowid)
        for step, result in executed
    )
    after = replace(
        transaction,
        statements=transaction.statements + kept,
        attached=warm.attached.txids,
        writes=warm.session.has_written,
    )
    return _Continued(after, results, ended, warm.session.warnings)


def _is_outside(result: Result) -> bool:
    """Return True if the statement is no part of the transaction: it was skipped, or came after its end."""
    error = result.error
    return result.skipped or (error is not None and error.details.get("reason") == "transaction_ended")
