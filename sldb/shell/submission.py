"""A submission: SQL entered at once, run in a session.

Outside of an open transaction a submission is one transaction, however many statements it has. BEGIN, COMMIT and
ROLLBACK are the client's own (see `sldb.shell.transaction`).

In a script (`line` is given) statements of an open transaction without rows wait for the first one with rows, or for
the commit: so a thousand INSERTs between BEGIN and COMMIT are one request.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace

from lambda_handlers.wire import Params, Reply, Request, SldbError, Statement
from sldb.actions import confirmation
from sldb.cancelling import TooLate
from sldb.report import count, summary
from sldb.shell.session import Session, rollback_message
from sldb.shell.transaction import Batch, Begin, Commit, Rollback, Transaction, is_silent, parts
from sldb.sql_text import list_statements, may_change_schema
from sldb.write_outcome import NOT_CHANGED, UNKNOWN

# After these errors it is unknown if the transaction was applied, unless the error itself says so.
_UNKNOWN_OUTCOMES = ("store_error", "query_timeout", "internal")


def submit(session: Session, sql: str, params: Params = None, *, line: int | None = None) -> None:
    """Run one submission and print its results. `line`: its first one in a script. Raises SldbError."""
    session.last_sql = sql
    for part in parts(sql):
        match part:
            case Begin():
                _begin(session)
            case Commit(retry):
                _commit(session, retry)
            case Rollback():
                _roll_back(session)
            case Batch(batch):
                _run_batch(session, batch, params, line)


def run_waiting(session: Session) -> None:
    """Run the waiting statements of the open transaction, at the end of a script. Raises their SldbErrors."""
    if session.transaction is not None and session.transaction.waiting:
        session.execute(Request((Statement("SELECT 1"),)))


def interrupted_message(session: Session) -> str:
    """Return the sentence about the state after Ctrl-C."""
    if session.transaction is None:
        return "stopped waiting; a write may still be applied (see .history)"
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
        raise
    if reply is None:
        return
    if may_change_schema(sql):
        session.refresh_names()
    session.show(reply)


def _run_inside(session: Session, transaction: Transaction, sql: str, params: Params, line: int | None) -> Reply | None:
    """Run statements in the open transaction; return None if they wait."""
    statements = [Statement(statement, params) for statement in list_statements(sql)]
    if line is not None and all(is_silent(statement.query) for statement in statements):
        session.transaction = transaction.keep(statements, line=line, has_run=False)
        return None
    reply = session.execute(Request(tuple(statements)))
    session.transaction = transaction.keep(statements, line=line)
    return reply


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


def _begin(session: Session) -> None:
    if session.transaction is not None:
        raise SldbError("sql_error", "cannot start a transaction within a transaction", "COMMIT or ROLLBACK it first")
    session.require_present("BEGIN")
    session.transaction = Transaction(session.newest_txid())
    session.output.say(f"open on txid {session.transaction.txid}; nothing is applied before COMMIT", softly=True)


def _commit(session: Session, retry: bool) -> None:
    transaction = _open_transaction(session, "commit")
    if not transaction.statements:
        session.transaction = None
        session.output.say("nothing to commit", softly=True)
        return
    request = transaction.commit(uuid.uuid4().hex, retry=retry)
    session.transaction = replace(transaction, sent=request)  # before sending: Ctrl-C may come at any moment
    started = time.monotonic()
    try:
        reply = session.send(request)
    except SldbError as error:
        if _is_outcome_unknown(error):
            raise
        error, session.transaction = replace(transaction, sent=None).blame(error)
        raise _not_committed(error) from None
    except TooLate:
        session.transaction = None
        raise
    session.transaction = None
    session.record(reply, (time.monotonic() - started) * 1000)
    session.output.say(
        f"committed {count(len(reply.results), 'statement')}: {summary(reply, session.last_ms)}", softly=True
    )
    _refresh_names_after(session, transaction)


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
    if any(may_change_schema(kept.statement.query) for kept in transaction.statements):
        session.refresh_names()


def _is_outcome_unknown(error: SldbError) -> bool:
    applied = error.details.get("applied")
    return applied == "unknown" or (error.code in _UNKNOWN_OUTCOMES and applied != "no")


def _not_committed(error: SldbError) -> SldbError:
    if error.code == "conflict":
        error.hint = "COMMIT RETRY applies it to the newest state; ROLLBACK drops it"
    return error
