"""A session: the statements of one connection, sent as requests, and its transaction over several of them.

Outside of a transaction each call is one request, and so one transaction. Inside of one, every reply brings the token
to go on with (docs/transactions.md): it is all of the transaction's state. A transaction begins with its first
statement, and without one nothing is sent; nor is a COMMIT after reads alone.

A request has a connection of SQLite of its own. Settings of a connection (some PRAGMAs, ATTACH) are therefore
remembered, and run again before the statements of each request.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass, field, replace
from lambda_handlers.wire import Reply, Request, Result, Row, SldbError, Statement, new_request_id
from lambda_handlers.wire.transaction import COMMIT, InTransaction
from sldb import sql_text
from sldb.client import Client
from sldb.dbapi.batches import without_many
from sldb.dbapi.errors import exception_of
from sldb.dbapi.kinds import Kind, kind_of
from sldb.dbapi.streaming import Streaming, streaming
from sldb.targets.protocol import with_id


@dataclass(slots=True)
class Open:
    """An open transaction."""

    token: str | None = None  # None: nothing was sent
    may_have_written: bool = False
    is_savepoint: bool = False  # a SAVEPOINT has begun it, and its RELEASE commits it
    savepoints: list[str] = field(default_factory=list)  # the statements about savepoints
    sent: Request | None = None  # a COMMIT that may have been applied


class Session:
    """To be used by one thread at a time, but for `interrupt`."""

    def __init__(
        self, client: Client, *, at: int | str | None, read_only: bool, timeout: float | None, creates: bool
    ) -> None:
        """Take a client, and what its requests have in common. `creates`: a database that does not exist is created,
        also by a read."""
        self.client = client
        self._target = streaming(client.target)
        self._client = replace(client, target=self._target)
        self.open: Open | None = None
        self.txid: int | None = None  # the newest known
        self.stats: dict[str, Any] = {}  # of the last reply
        self._at = at
        self._read_only = read_only
        self._timeout = timeout
        self._creates = creates and at is None and not read_only
        self._setup: dict[str, Statement] = {}
        self._running: Request | None = None
        self._sends_many = True  # rows of values, which functions of earlier versions do not know

    @property
    def in_transaction(self) -> bool:
        return self.open is not None

    def remember(self, name: str, statement: Statement | None) -> None:
        """Run a statement before those of each request from now on, in place of an earlier one of that name; None: no
        such one any more."""
        self._setup.pop(name, None)
        if statement is not None:
            self._setup[name] = statement

    def begin(self, *, is_savepoint: bool = False) -> None:
        self.open = Open(is_savepoint=is_savepoint)

    def run(self, statements: Sequence[Statement], before: Sequence[Statement] = ()) -> Sequence[Result]:
        """Return the results of statements, run together: outside of a transaction as one. Raises Error; positions of
        statements in its details do not count those `before`, with their results first."""
        is_alone = len(statements) == 1 and kind_of(statements[0].query) is Kind.VACUUM
        setup = () if is_alone or (self.open and self.open.token) else tuple(self._setup.values())
        setup = (*setup, *before)
        request = Request((*setup, *statements), at=self._at, read_only=self._read_only, timeout=self._timeout)
        try:
            reply = self._run_outside(request) if self.open is None else self._run_inside(self.open, request)
        except SldbError as error:
            position = error.details.get("statement")
            if setup and isinstance(position, int) and position >= len(setup):
                error.details["statement"] = position - len(setup)
            raise exception_of(error) from error
        return reply.results[len(setup) - len(before) :]

    def _run_outside(self, request: Request) -> Reply:
        reply = self._send(request)
        self.txid = reply.txid
        return reply

    def _run_inside(self, transaction: Open, request: Request) -> Reply:
        transaction.may_have_written |= any(sql_text.may_write(one.query) for one in request.statements)
        request = replace(request, transaction=InTransaction(transaction.token))
        try:
            reply = self._send(request)
        except SldbError as error:
            self._go_on(transaction, error.transaction)
            raise
        self._go_on(transaction, reply.transaction)
        return reply

    def _go_on(self, transaction: Open, state: Any) -> None:
        """Continue after a request. `state`: the transaction as its reply has it; None: as before the request."""
        if state is None:
            return
        if "ended" in state:
            self.open = None
        else:
            transaction.token = state["token"]

    def commit(self, last: Sequence[Statement] = ()) -> Sequence[Result]:
        """Commit the open transaction, if there is one, and return the results of the `last` statements, on its state;
        none if there was nothing to commit. Raises Error: `applied` "no" for a conflict, after which there
        is no transaction; "unknown" if there was no answer: then the same call again finds it out."""
        transaction = self.open
        if transaction is None or transaction.token is None or not transaction.may_have_written:
            self.open = None
            return ()
        transaction.sent = transaction.sent or Request(
            tuple(last),
            timeout=self._timeout,
            request_id=new_request_id(time.time(), os.urandom(10)),
            transaction=InTransaction(transaction.token, COMMIT),
        )
        try:
            reply = self._send(transaction.sent)
        except SldbError as error:
            self._after_refusal(transaction, error)
            raise exception_of(error) from error
        self.open, self.txid = None, reply.txid
        return reply.results

    def _after_refusal(self, transaction: Open, error: SldbError) -> None:
        if error.details.get("applied") == "unknown":
            return
        transaction.sent = None
        if error.code == "conflict":  # its statements are true no more
            self.open = None

    def rollback(self) -> None:
        """Give the open transaction up, if there is one. Nothing is sent: without a COMMIT it leaves nothing, and the
        function's own connection for it grows old."""
        self.open = None

    def interrupt(self) -> None:
        """Have the running request stopped, if there is one. To be called by another thread. Raises Error."""
        running = self._running
        if running is None:
            return
        try:
            self.client.cancel(str(running.request_id), running.attempt)
        except SldbError as error:
            raise exception_of(error) from error

    def _send(self, request: Request) -> Reply:
        self._running = with_id(request if self._sends_many else without_many(request))
        try:
            reply = self._send_or_create(self._running)
        except SldbError as error:
            if not self._sends_many or str(error.details.get("field")).rpartition(".")[2] != "many":
                raise
            self._sends_many = False
            return self._send(request)
        finally:
            self._running = None
        self.stats = reply.stats
        return reply

    def _send_or_create(self, request: Request) -> Reply:
        try:
            return self._client.execute(request)
        except SldbError as error:
            if not self._creates or error.code != "not_found" or error.details.get("database") != self.client.database:
                raise
            self._creates = False
        self.client.act("create_database")
        return self._client.execute(request)

    def rows_of(self, result: Result) -> Iterator[Row]:
        """Return the rows of a result of the last request, to be read once. Iterating raises Error."""
        return self._target.rows(result) if isinstance(self._target, Streaming) else iter(result.rows)
