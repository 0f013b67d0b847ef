"""One conversation with a database, without a terminal: run what is submitted, where the session stands.

It stands on what is newest; or on a moment of the past, to which nothing can be written; or in an open transaction
(see `sldb.shell.transaction`). Outside of one a submission is one transaction, however many statements it has. Errors
leave as SldbError: the loop around decides whether they end the run.

In a script (`line` is given) the statements of an open transaction that show nothing wait for the first one that does,
or for the commit: so a thousand INSERTs between BEGIN and COMMIT are one request.

The names for completion (see `sldb.shell.schema_names`) are looked up again after a statement that may have changed the
schema, or has met a table that is not there.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lambda_handlers.wire import Params, Reply, Request, SldbError, Statement
from sldb.client import Client
from sldb.database_creation import suggestion
from sldb.operations import confirmation
from sldb.report import count, summary
from sldb.shell.output import Output
from sldb.shell.saved_queries import NamedQueries
from sldb.shell.schema_names import LiveNames
from sldb.shell.transaction import Batch, Begin, Commit, Rollback, Transaction, is_silent, parts
from sldb.sql_text import list_statements, may_change_schema
from sldb.write_outcome import NOT_CHANGED, UNKNOWN

# With these, nothing says whether the transaction was applied, where they do not say it themselves.
_UNKNOWN_OUTCOMES = ("store_error", "query_timeout", "internal")


@dataclass(slots=True)
class Session:
    client: Client
    output: Output
    names: LiveNames | None = None  # None: nobody completes anything
    at: int | None = None  # the transaction of the past that the session stands on
    transaction: Transaction | None = None  # the open one
    last: Reply | None = None
    last_ms: float = 0.0
    last_sql: str = ""  # the submission that ran last
    is_interactive: bool = False  # somebody is there, who sees and can stop it
    agree: Callable[[str], bool] | None = None  # asked before what destroys; None: nobody is there to be asked
    queries: NamedQueries | None = None  # None: there is nowhere to keep them
    edit: Callable[[str], str] | None = None  # None: there is no editor
    draft: str = ""  # what the next prompt begins with
    _turn: threading.Lock = field(default_factory=threading.Lock)  # one request at a time

    def run(self, sql: str, params: Params = None, *, line: int | None = None) -> None:
        """Run one submission and print what it gives."""
        self.last_sql = sql
        for part in parts(sql):
            match part:
                case Begin():
                    self._begin()
                case Commit(retry):
                    self._commit(retry)
                case Rollback():
                    self._roll_back()
                case Batch(batch):
                    self._run_batch(batch, params, line)

    def _run_batch(self, sql: str, params: Params, line: int | None) -> None:
        try:
            if self.transaction is None:
                reply = self._run_alone(Statement(sql, params), asks=line is None)
            else:
                reply = self._run_inside(self.transaction, sql, params, line)
        except SldbError as error:
            if str(error.details.get("reason")).startswith("no_such_"):
                self.look_again()
            error.details.setdefault("query", sql)
            raise
        if reply is None:
            return
        if may_change_schema(sql):
            self.look_again()
        self.show(reply)

    def _run_inside(self, transaction: Transaction, sql: str, params: Params, line: int | None) -> Reply | None:
        """In the open transaction; None if it waits."""
        statements = [Statement(statement, params) for statement in list_statements(sql)]
        if line is not None and all(is_silent(statement.query) for statement in statements):
            self.transaction = transaction.keep(statements, line=line, proved=False)
            return None
        reply = self.ask(Request(tuple(statements)))
        self.transaction = transaction.keep(statements, line=line)
        return reply

    def _run_alone(self, statement: Statement, *, asks: bool) -> Reply | None:
        """Outside of a transaction; None if it destroys, and somebody said that it should not."""
        request = Request((statement,))
        if self.agree is None or self.at is not None or not asks:
            return self.ask(request)
        agree = _Timed(self.agree)
        started = time.monotonic()
        with self._turn:
            reply = confirmation.execute(self.client, request, agree)
        if reply is None:
            self.output.say(NOT_CHANGED)
            return None
        self.last_ms = (time.monotonic() - started - agree.seconds) * 1000
        self._note(reply)
        return reply

    def ask(self, request: Request) -> Reply:
        """The reply, from where the session stands."""
        started = time.monotonic()
        reply = self._answer(request)
        self.last_ms = (time.monotonic() - started) * 1000
        self._note(reply)
        return reply

    def _note(self, reply: Reply) -> None:
        """What a reply tells about the others: if they have written, the schema may be another."""
        before, self.last = self.last, reply
        if self.names is None or before is None or reply.txid == before.txid:
            return
        is_own = reply.txid == before.txid + 1 and reply.stats.get("commit_ms")
        if not is_own:
            self.names.check()

    def _answer(self, request: Request) -> Reply:
        transaction = self.transaction
        if transaction is None:
            return self._send(replace(request, at=self.at))
        if transaction.sent is not None:
            raise _outcome_is_unknown(transaction.sent)
        try:
            reply = self._send(transaction.replay(request))
        except SldbError as error:
            blamed, self.transaction = transaction.blame(error)
            position = blamed.details.get("statement")
            if isinstance(position, int) and position < len(request.statements):
                blamed.details.setdefault("query", request.statements[position].query)
            raise blamed from None
        self.transaction = transaction.proven()
        return transaction.shown(reply)

    def look(self, request: Request) -> Reply:
        """As `ask`, and leaves no trace: for the names' thread."""
        transaction, at = self.transaction, self.at
        if transaction is None:
            return self._send(replace(request, at=at))
        return transaction.shown(self._send(transaction.replay(request)))

    @contextmanager
    def alone(self) -> Iterator[Client]:
        """The client, while nobody else (the names' thread) uses it."""
        with self._turn:
            yield self.client

    def _send(self, request: Request) -> Reply:
        with self._turn:
            return self.client.execute(request)

    def show(self, reply: Reply) -> None:
        """The data of a reply, and below it what is said about it."""
        self.output.show_data(reply.results)
        if self.output.timing:
            self.output.say(summary(reply, self.last_ms), softly=True)

    # Transactions

    def _begin(self) -> None:
        if self.transaction is not None:
            raise SldbError(
                "sql_error", "cannot start a transaction within a transaction", "COMMIT or ROLLBACK it first"
            )
        self.require_present("BEGIN")
        self.transaction = Transaction(self._newest_txid())
        self.output.say(f"open on txid {self.transaction.txid}; nothing is applied before COMMIT", softly=True)

    def _newest_txid(self) -> int:
        try:
            return self._send(Request((Statement("SELECT 1"),), read_only=True)).txid
        except SldbError as error:
            if error.code != "not_found":
                raise
            txid = error.details.get("txid", 0)  # of the one that dropped it; else the database is still to be made
            return txid if isinstance(txid, int) else 0

    def _commit(self, retry: bool) -> None:
        transaction = self._open_transaction("commit")
        if not transaction.statements:
            self.transaction = None
            self.output.say("nothing to commit", softly=True)
            return
        request = transaction.commit(uuid.uuid4().hex, retry=retry)
        self.transaction = replace(transaction, sent=request)  # Ctrl-C may come at any moment
        started = time.monotonic()
        try:
            reply = self._send(request)
        except SldbError as error:
            applied = error.details.get("applied")
            if applied == "unknown" or (error.code in _UNKNOWN_OUTCOMES and applied != "no"):
                raise
            error, self.transaction = replace(transaction, sent=None).blame(error)
            raise _not_committed(error) from None
        self.transaction, self.last_ms = None, (time.monotonic() - started) * 1000
        self._note(reply)
        self.output.say(_committed(reply, self.last_ms), softly=True)
        if any(may_change_schema(kept.statement.query) for kept in transaction.statements):
            self.look_again()

    def _roll_back(self) -> None:
        transaction = self._open_transaction("rollback")
        self.transaction = None
        self.output.say(_dropped(transaction), softly=True)
        if any(may_change_schema(kept.statement.query) for kept in transaction.statements):
            self.look_again()

    def _open_transaction(self, verb: str) -> Transaction:
        if self.transaction is None:
            raise SldbError("sql_error", f"cannot {verb} - no transaction is active", "BEGIN opens one")
        return self.transaction

    def settle(self) -> None:
        """At the end of a script: run what was waiting. Raises what it raises."""
        if self.transaction is not None and self.transaction.unproved:
            self.ask(Request((Statement("SELECT 1"),)))

    def left_open(self) -> str:
        """What Ctrl-C leaves to be known."""
        if self.transaction is None:
            return "stopped waiting; what writes may still be applied (.history tells)"
        if self.transaction.sent is None:
            return "stopped waiting; the transaction is still open"
        return f"stopped waiting; {UNKNOWN}: COMMIT asks again"

    # Where it stands

    def require_no_transaction(self, doing: str) -> None:
        if self.transaction is not None:
            raise SldbError("bad_request", f"{doing}: a transaction is open", "COMMIT or ROLLBACK it first")

    def require_present(self, doing: str) -> None:
        if self.at is not None:
            raise SldbError("read_only", f"{doing}: this is a view of the past ({self.at})", ".at now leaves it")

    def go_to(self, at: int | str | None) -> None:
        """Stand on a moment of the past, or on what is newest. Raises `not_found` where there is none."""
        self.require_no_transaction(".at")
        self.last = None
        if at is not None:
            self.last = self._send(Request((Statement("SELECT 1"),), at=at, read_only=True))
        # What a time meant once stays what is looked at.
        self.at = None if self.last is None else self.last.txid
        self.look_again()

    def switch(self, database: str) -> None:
        self.require_no_transaction(".database")
        self.client = replace(self.client, database=database)
        self.at = self.last = None
        self.look_again()
        self._check_exists(database)

    def _check_exists(self, database: str) -> None:
        """Say so where there is no such database: who meant another one is told the names."""
        try:
            self._send(Request((Statement("SELECT 1"),), read_only=True))
        except SldbError as error:
            if error.code != "not_found":
                raise
            self.output.say(f"{error.message} ({suggestion(database, self.database_names())})")

    def close(self) -> None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None and transaction.statements:
            self.output.say(_dropped(transaction))
        self.output.redirect(None)
        self.client.close()

    def database_names(self) -> list[str]:
        with self._turn:
            return self.client.database_names()

    def query_names(self) -> list[str]:
        """Of the named queries; none where they cannot be read, which who uses one is told."""
        try:
            return list(self.queries.all()) if self.queries is not None else []
        except SldbError:
            return []

    def look_again(self) -> None:
        if self.names is not None:
            self.names.refresh()


class _Timed:
    """A question, and how long its answers took."""

    def __init__(self, agree: Callable[[str], bool]) -> None:
        self._agree = agree
        self.seconds = 0.0

    def __call__(self, what: str) -> bool:
        started = time.monotonic()
        try:
            return self._agree(what)
        finally:
            self.seconds += time.monotonic() - started


def _committed(reply: Reply, elapsed_ms: float) -> str:
    return f"committed {count(len(reply.results), 'statement')}: {summary(reply, elapsed_ms)}"


def _dropped(transaction: Transaction) -> str:
    if transaction.sent is not None:
        return f"{UNKNOWN} (request {transaction.sent.request_id})"
    dropped = count(len(transaction.statements), "statement")
    return f"rolled back: {dropped} not applied" if transaction.statements else "rolled back"


def _outcome_is_unknown(sent: Request) -> SldbError:
    return SldbError(
        "conflict",
        "the last COMMIT had no clear answer",
        "COMMIT asks again, and applies nothing twice; ROLLBACK leaves it at that",
        applied="unknown",
        request_id=sent.request_id,
    )


def _not_committed(error: SldbError) -> SldbError:
    if error.code == "conflict":
        error.hint = "COMMIT RETRY applies it to what is the newest by now; ROLLBACK drops it"
    return error
