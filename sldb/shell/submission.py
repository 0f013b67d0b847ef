"""A submission: SQL entered at once, run in a session.

Outside of an open transaction a submission is one transaction, however many statements it has. The shell itself reads
BEGIN, COMMIT, ROLLBACK and savepoints (`sldb.transaction_control`); `sldb.shell.transaction` is the open transaction.

In a script (`line` is given) statements of an open transaction without rows wait for the first one with rows, or for
the commit: so a thousand INSERTs between BEGIN and COMMIT are one request.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from lambda_handlers.wire import Params, Reply, Request, Result, SldbError, Statement, Value, new_request_id
from lambda_handlers.wire.transaction import ROLLBACK, InTransaction
from sldb.actions import confirmation
from sldb.cancelling import TooLate
from sldb.params.missing import shell_hint
from sldb.report import count, measures
from sldb.shell import conflict
from sldb.shell.session import Session, rollback_message
from sldb.shell.transaction import BEGIN, Kept, Transaction
from sldb.sql_text import list_statements, may_change_schema, may_write
from sldb.transaction_control import (
    Batch,
    Begin,
    Commit,
    Part,
    Release,
    Rollback,
    Savepoint,
    is_outermost,
    is_silent,
    parts,
)
from sldb.write_outcome import NOT_CHANGED, UNKNOWN

# After these errors it is unknown if the transaction was applied, unless the error itself says so.
_UNKNOWN_OUTCOMES = ("store_error", "query_timeout", "internal")


def submit(
    session: Session,
    sql: str,
    given: Mapping[str, Value] | None = None,
    *,
    line: int | None = None,
    is_vertical: bool = False,
) -> None:
    """Run one submission and print its results. `given`: values of parameters. `line`: its first one in a script.

    Raises SldbError, and NotAnswered if the user does not want to give the other values.
    """
    params = session.params.bind(sql, given or {}, session.ask if line is None else None)
    session.last_sql, session.last_params = sql, params
    with session.output.vertically() if is_vertical else nullcontext():
        for part in parts(sql):
            _run_part(session, part, params, line)


def _run_part(session: Session, part: Part, params: Params, line: int | None) -> None:
    match part:
        case Begin(is_read_only):
            _begin(session, "BEGIN", is_read_only=is_read_only)
        case Commit(retry):
            _commit(session, retry)
        case Rollback():
            _roll_back(session)
        case Release(release) if _ends_transaction(session.transaction, release):
            _commit(session, retry=False)
        case Savepoint(statement):
            if session.transaction is None:
                _begin(session, "SAVEPOINT", is_savepoint=True)
            _run_batch(session, statement, params, line)
        case Release(statement) | Batch(statement):
            _run_batch(session, statement, params, line)


def interrupted_message(session: Session, typed: str) -> str:
    """Return the sentence about the state after Ctrl-C."""
    if session.transaction is None:
        if not may_write(typed):
            return f"stopped waiting; {NOT_CHANGED}"
        return f"stopped waiting; {UNKNOWN} (see .history)"
    if session.transaction.sent is None:
        return "stopped waiting; the transaction is still open"
    return f"stopped waiting; {UNKNOWN}: COMMIT sends it again"


# Statements


def _run_batch(session: Session, sql: str, params: Params, line: int | None) -> None:
    try:
        if session.transaction is None:
            reply = _run_alone(session, Statement(sql, params), confirms=line is None)
        else:
            reply = _run_inside(session, session.transaction, sql, params, line)
    except SldbError as error:
        if str(error.details.get("reason")).startswith("no_such_"):
            session.refresh_names()
        error.details.setdefault("query", sql)
        error.hint = shell_hint(error) or error.hint
        raise
    if reply is None:
        return
    if may_change_schema(sql):
        session.refresh_names()
    session.show(reply)


def _run_inside(session: Session, transaction: Transaction, sql: str, params: Params, line: int | None) -> Reply | None:
    """Run statements in the open transaction; return None if they wait."""
    own = [Kept(Statement(statement, params), line) for statement in list_statements(sql)]
    if line is None or not all(is_silent(kept.statement.query) for kept in own):
        return session.run_inside(transaction, own)
    session.require_known_outcome()
    if not transaction.has_room_for(own):
        session.run_waiting()
    session.transaction = _open_transaction(session, "continue").wait(own)
    return None


def _run_alone(session: Session, statement: Statement, *, confirms: bool) -> Reply | None:
    """Run a statement outside of a transaction; return None if it destroys and the user said no."""
    request = Request((statement,))
    if session.confirm is None or session.at is not None or not confirms:
        return session.execute(request)
    confirm = _Timed(session.confirm)
    started = time.monotonic()
    with session.exclusive_client() as client:
        reply = confirmation.execute(client, request, confirm)
    if reply is None:
        session.output.say(NOT_CHANGED)
        return None
    session.record(reply, (time.monotonic() - started - confirm.seconds) * 1000)
    return reply


class _Timed:
    """A question to the user, with the time of the answers."""

    def __init__(self, confirm: Callable[[str], bool]) -> None:
        self._confirm = confirm
        self.seconds = 0.0

    def __call__(self, what: str) -> bool:
        started = time.monotonic()
        try:
            return self._confirm(what)
        finally:
            self.seconds += time.monotonic() - started


# Transactions


def _begin(session: Session, doing: str, *, is_read_only: bool = False, is_savepoint: bool = False) -> None:
    if session.transaction is not None:
        raise SldbError("sql_error", "cannot start a transaction within a transaction", "COMMIT or ROLLBACK it first")
    session.require_present(doing)
    reply = session.send(Request((), read_only=is_read_only, transaction=BEGIN))
    session.transaction = Transaction.begun(reply, is_read_only=is_read_only, is_savepoint=is_savepoint)
    session.output.say(f"open on txid {reply.txid}; nothing is applied before COMMIT", softly=True)


def _ends_transaction(transaction: Transaction | None, release: str) -> bool:
    if transaction is None or not transaction.is_savepoint:
        return False
    return is_outermost(release, (kept.statement.query for kept in transaction.succeeded))


def _commit(session: Session, retry: bool) -> None:
    transaction = _open_transaction(session, "commit")
    if not (transaction.statements or transaction.waiting):
        session.transaction = None
        session.output.say("nothing to commit", softly=True)
        return
    request = transaction.commit(new_request_id(time.time(), os.urandom(10)), retry=retry)
    session.transaction = replace(transaction, sent=request)  # before sending: Ctrl-C may come at any moment
    started = time.monotonic()
    try:
        reply = session.send(request)
    except SldbError as error:
        if _is_outcome_unknown(error):
            raise
        session.go_on(transaction.refused(error, retry=retry))
        _explain_conflict(session, transaction, error)
        raise
    except TooLate:
        session.transaction = None
        raise
    session.transaction = None
    session.record(reply, (time.monotonic() - started) * 1000)
    _say_committed(session, transaction, reply)
    _refresh_names_after(session, transaction)


def _say_committed(session: Session, transaction: Transaction, reply: Reply) -> None:
    if reply.txid == transaction.txid:
        session.output.say("nothing to commit", softly=True)
        return
    done = f"committed {count(len(transaction.succeeded), 'statement')}"
    session.output.say(f"{done} · {measures(reply, session.last_ms)}", softly=True)


def _explain_conflict(session: Session, transaction: Transaction, error: SldbError) -> None:
    """Print the statement that shows something else now, and what to do about it."""
    position = transaction.changed_statement(error)
    if position is None:
        return
    kept = transaction.statements[position]
    found = conflict.differences(kept, _now(session, transaction.statements[: position + 1]))
    session.output.say("\n".join(["other clients have changed the result of", *(f"  {line}" for line in found)]))
    error.details.pop("query", None)
    error.hint = (
        "ROLLBACK drops it, so that BEGIN sees the newest state; COMMIT RETRY applies its statements to that, whatever "
        "they find there"
    )


def _now(session: Session, statements: Sequence[Kept]) -> Result | str | None:
    """Return the result of the last statement, or the message of its error, on the newest state; None if they cannot be
    run."""
    ran = tuple(kept.statement for kept in statements if not kept.error or kept is statements[-1])
    try:
        reply = session.send(Request(ran, transaction=InTransaction(end=ROLLBACK)))
    except SldbError as error:
        return error.message if error.details.get("statement") == len(ran) - 1 else None
    return reply.results[-1]


def _roll_back(session: Session) -> None:
    transaction = _open_transaction(session, "rollback")
    session.transaction = None
    session.output.say(rollback_message(transaction), softly=True)
    _refresh_names_after(session, transaction)


def _open_transaction(session: Session, verb: str) -> Transaction:
    if session.transaction is None:
        raise SldbError("sql_error", f"cannot {verb} - no transaction is active", "BEGIN opens one")
    return session.transaction


def _refresh_names_after(session: Session, transaction: Transaction) -> None:
    if any(may_change_schema(kept.statement.query) for kept in transaction.succeeded):
        session.refresh_names()


def _is_outcome_unknown(error: SldbError) -> bool:
    applied = error.details.get("applied")
    return applied == "unknown" or (error.code in _UNKNOWN_OUTCOMES and applied != "no")
