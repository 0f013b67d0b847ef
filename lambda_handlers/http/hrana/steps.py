"""The steps of a stream: SQL statements with their conditions, run as requests to the engine.

Outside of a transaction of several requests, each statement is one, and neighbours go out as one request that continues
after errors. BEGIN makes a transaction whose token is the stream's; COMMIT and ROLLBACK end it. Steps that seem to end
what they begin are one request: its groups are the transactions. If a group stays open after all, the engine has
applied nothing, and the steps run one after the other.

SAVEPOINT outside of a transaction begins one, which ends with the RELEASE of that savepoint, as in SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence

from lambda_handlers.http.hrana import control
from lambda_handlers.http.hrana.conditions import holds, moved
from lambda_handlers.http.hrana.control import Control
from lambda_handlers.http.hrana.errors import INPUT_ERROR, error_object, error_of
from lambda_handlers.http.hrana.outcomes import (
    Failed,
    Outcome,
    Ran,
    RequestFailed,
    RequestIds,
    Step,
    oks_of,
    other_request,
    outcome_of,
)
from lambda_handlers.http.hrana.stream import Stream
from lambda_handlers.http.messages import Engine
from lambda_handlers.wire import Reply, Request, Result, SldbError, Statement
from lambda_handlers.wire.transaction import COMMIT, ROLLBACK, InTransaction

# For the statements after BEGIN READONLY: SQLite, whose grammar does not have it, refuses their writes then.
_ONLY_READS = "PRAGMA query_only = ON"


class StepRunner:
    def __init__(self, stream: Stream, engine: Engine, ids: RequestIds) -> None:
        self._stream = stream
        self._engine = engine
        self._ids = ids
        self._held = 0  # replies with their outcomes in memory

    def run(self, steps: Sequence[Step]) -> list[Outcome]:
        """Return the outcomes of all steps. Raises RequestFailed and ProtocolFailure."""
        if self._may_be_whole(steps):
            whole = self._whole(steps)
            if whole is not None:
                return whole
        outcomes: list[Outcome] = []
        while (position := len(outcomes)) < len(steps):
            step = steps[position]
            if not holds(step.condition, oks_of(outcomes), self._stream.is_autocommit):
                outcomes.append(None)
            elif step.is_alone:
                outcomes.append(self._alone(step, position))
            else:
                end = next((i for i in range(position, len(steps)) if steps[i].is_alone), len(steps))
                outcomes.extend(self._together(steps[position:end], outcomes))
        return outcomes

    # Steps that are one request

    def _may_be_whole(self, steps: Sequence[Step]) -> bool:
        is_simple = self._stream.is_autocommit and len(steps) > 1 and not any(step.refusal for step in steps)
        return is_simple and control.closes_its_groups([step.control for step in steps])

    def _whole(self, steps: Sequence[Step]) -> list[Outcome] | None:
        """Return the outcomes of all steps as one request; None if it would end inside a transaction, or write in one
        that may only read."""
        only_reads = any(step.control and step.control.only_reads for step in steps)
        try:
            reply = self._send(self._statements(steps, []), self._ids.of(0), only_reads=only_reads)
        except SldbError as error:
            # A write in it may be one after BEGIN READONLY: then it is the error of its step, and no other.
            if error.details.get("reason") == "open_transaction" or (only_reads and error.code == "read_only"):
                return None
            raise RequestFailed(error_of(error)) from error
        outcomes = self._outcomes(reply)
        if len(outcomes) != len(steps):
            raise other_request()
        self._note_settings(steps, outcomes)
        return outcomes

    def _together(self, steps: Sequence[Step], before: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes of the first step, and of as many after it as ran in the same state of the stream."""
        statements, is_single = self._statements(steps, before), len(steps) == 1
        try:
            reply = self._send(statements, self._ids.of(len(before)))
        except SldbError as error:
            failed = self._step_of(error)
            if is_single or failed == 0:
                return [Failed(error_of(error))]
            if failed is not None and failed < len(steps):  # nothing of the request was applied
                return self._together(steps[:failed], before)
            raise RequestFailed(error_of(error)) from error
        outcomes = self._outcomes(reply)[: len(steps)]
        if not outcomes:
            raise other_request()
        return outcomes

    def _step_of(self, error: SldbError) -> int | None:
        """Return the position of the step that an error is of."""
        statement = error.details.get("statement")
        position = statement - len(self._prefix()) if isinstance(statement, int) else -1
        return position if position >= 0 else None

    def _prefix(self) -> list[Statement]:
        """Return the statements that each request begins with: a transaction has had them."""
        if not self._stream.is_autocommit:
            return []
        return [Statement(sql) for sql in self._stream.settings.values()]

    def _statements(self, steps: Sequence[Step], before: Sequence[Outcome]) -> tuple[Statement, ...]:
        """Return the statements of a request. The first step is known to run."""
        prefix, oks = self._prefix(), oks_of(before)
        first = len(prefix)
        rest = [
            Statement(step.sql, step.params, step.condition and moved(step.condition, oks, first)) for step in steps[1:]
        ]
        head = steps[0]
        condition = head.condition and moved(head.condition, oks, first) if not before else None
        return (*prefix, Statement(head.sql, head.params, condition), *rest)

    def _send(self, statements: tuple[Statement, ...], request_id: str | None, *, only_reads: bool = False) -> Reply:
        """Return the reply to a request in the state of the stream, which then is the one after it: without the
        results of the prefix. It continues after errors: one may leave rows (OR FAIL). Raises SldbError."""
        token = self._stream.token
        request = Request(
            statements,
            self._stream.database,
            on_error="continue",
            read_only=only_reads,
            request_id=request_id if token is None else None,
            transaction=None if token is None else InTransaction(token, lastrowid=True),
        )
        before = len(self._prefix())
        reply = self._reply(request)
        self._follow(reply)
        results = reply.results[before:]
        return Reply(results, reply.txid, reply.database, reply.stats)

    def _reply(self, request: Request) -> Reply:
        reply = self._engine.reply(request, held=self._held)
        self._held += 1
        return reply

    def _follow(self, reply: Reply) -> None:
        """Follow a transaction that goes on, or that a statement has ended."""
        if reply.transaction is None:
            return
        self._stream.token = reply.transaction.get("token")
        if self._stream.token is None:
            self._stream.end_transaction()

    def _outcomes(self, reply: Reply) -> list[Outcome]:
        """Return the outcomes of the steps up to the end of their transaction, if one has ended it."""
        outcomes: list[Outcome] = []
        duration_ms = float(reply.stats.get("execute_ms", 0.0))
        for result in reply.results:
            if result.error and result.error.details.get("reason") == "transaction_ended":
                break
            outcome = outcome_of(result, duration_ms)
            duration_ms = 0.0 if outcome else duration_ms
            outcomes.append(outcome)
        return outcomes

    # Steps that are alone

    def _alone(self, step: Step, position: int) -> Outcome:
        if step.refusal is not None or step.control is None:
            return Failed(step.refusal or error_object(INPUT_ERROR, "the statement cannot run"))
        try:
            return self._control(step, step.control, position)
        except SldbError as error:
            return Failed(error_of(error))

    def _control(self, step: Step, what: Control, position: int) -> Outcome:
        stream = self._stream
        if stream.is_autocommit:
            if what.does == control.BEGIN:
                return self._begin(None, _ONLY_READS if what.only_reads else "")
            if what.does == control.SAVEPOINT:
                return self._begin(what.name, step.sql)
        elif what.does == control.ROLLBACK:
            return self._end(ROLLBACK, None)
        elif what.does == control.COMMIT or stream.is_committed_by(what):
            return self._end(COMMIT, self._ids.of(position))
        return self._single(step, what, position)

    def _single(self, step: Step, what: Control, position: int) -> Outcome:
        was_autocommit = self._stream.is_autocommit
        statement = Statement(step.sql, step.params)
        if what.does == control.VACUUM and was_autocommit:
            reply = self._reply(Request((statement,), self._stream.database, request_id=self._ids.of(position)))
        else:
            reply = self._send((*self._prefix(), statement), self._ids.of(position))
        outcome = next(iter(self._outcomes(reply)), None)
        if isinstance(outcome, Ran):
            self._stream.note_savepoint(what)
            self._stream.note_setting(what, step.sql, is_autocommit=was_autocommit)
        return outcome

    def _begin(self, savepoint: str | None, sql: str = "") -> Outcome:
        stream = self._stream
        statements = (*self._prefix(), *([Statement(sql)] if sql else []))
        begins = InTransaction(lastrowid=True)
        reply = self._reply(Request(statements, stream.database, transaction=begins))
        self._follow(reply)
        stream.savepoints = None if savepoint is None else [savepoint]
        return Ran(Result(), float(reply.stats.get("execute_ms", 0.0)))

    def _end(self, how: str, request_id: str | None) -> Outcome:
        ends = InTransaction(self._stream.token, end=how)
        reply = self._reply(Request((), self._stream.database, transaction=ends, request_id=request_id))
        self._stream.end_transaction()
        return Ran(Result(), float(reply.stats.get("execute_ms", 0.0)))

    def roll_back(self) -> None:
        """End an open transaction. Raises ProtocolFailure if the baton has a wrong one."""
        if self._stream.is_autocommit:
            return
        try:
            self._end(ROLLBACK, None)
        except SldbError as error:
            error_of(error)  # a transaction that cannot be continued is over as well
            self._stream.end_transaction()

    def _note_settings(self, steps: Sequence[Step], outcomes: Sequence[Outcome]) -> None:
        is_open = False
        for step, outcome in zip(steps, outcomes, strict=True):
            does = step.control.does if step.control else ""
            is_open = (is_open or does == control.BEGIN) and does not in (control.COMMIT, control.ROLLBACK)
            if isinstance(outcome, Ran) and step.control:
                self._stream.note_setting(step.control, step.sql, is_autocommit=not is_open)
