"""An open transaction of the shell, as its client knows it. Pure: no I/O.

Its token, which every reply renews, is all of its state. So a request whose answer was lost has not happened for the
transaction, and a commit with the same token applies once, however often it is sent.

    begun(reply)          the transaction of the reply to BEGIN
    request(statements)   runs statements inside it, after those that wait; after(…) and stopped(…) are the
                          transaction with their results
    look(request)         reads inside it without becoming a part of it: what COMMIT compares stays the same
    commit(…)             ends it; refused(…) is the transaction after a refusal

The statements are kept for messages, and for COMMIT RETRY, which sends them as a request of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambda_handlers.wire import Reply, Request, Result, SldbError, Statement
from lambda_handlers.wire.transaction import COMMIT, InTransaction

BEGIN = InTransaction()
MAX_WAITING = 10_000  # statements, in one request: a reply has room for the results of three times as many
MAX_WAITING_BYTES = 4_000_000  # of their SQL; the limit of Lambda is 6 MB, and the token may need a part of it
MAX_KEPT_ROWS = 1000  # of a result, to show what has changed


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement of the transaction."""

    statement: Statement
    line: int | None = None  # of the script
    shown: Result | None = None  # its result, without rows if those are too many; None: not known
    error: str = ""  # its message, if it failed

    def about(self) -> dict[str, Any]:
        """Return the details of an error about it."""
        return {"query": self.statement.query, **({} if self.line is None else {"line": self.line})}


@dataclass(frozen=True, slots=True)
class Transaction:
    token: str
    txid: int  # that it is based on; 0: a database before its first transaction
    statements: tuple[Kept, ...] = ()  # that have run, as the token has them
    waiting: tuple[Kept, ...] = ()  # of a script, to run with the next ones
    waiting_bytes: int = 0
    is_read_only: bool = False
    is_savepoint: bool = False  # a SAVEPOINT has begun it, and its RELEASE commits it
    sent: Request | None = None  # a commit that may or may not have been applied

    @classmethod
    def begun(cls, reply: Reply, *, is_read_only: bool = False, is_savepoint: bool = False) -> Transaction:
        token = _token(reply.transaction)
        assert token is not None, reply.transaction
        return cls(token, reply.txid, is_read_only=is_read_only, is_savepoint=is_savepoint)

    @property
    def succeeded(self) -> tuple[Kept, ...]:
        """The statements that have run without an error, and those that wait."""
        return (*(kept for kept in self.statements if not kept.error), *self.waiting)

    # Statements

    def has_room_for(self, fresh: Sequence[Kept]) -> bool:
        """Return True if more statements can wait."""
        size_bytes = self.waiting_bytes + _size(fresh)
        return len(self.waiting) + len(fresh) <= MAX_WAITING and size_bytes <= MAX_WAITING_BYTES

    def wait(self, fresh: Sequence[Kept]) -> Transaction:
        """Return the transaction with more statements that wait."""
        return replace(self, waiting=(*self.waiting, *fresh), waiting_bytes=self.waiting_bytes + _size(fresh))

    def request(self, statements: Iterable[Statement]) -> Request:
        """Return the request of the waiting statements, and then these."""
        waiting = (kept.statement for kept in self.waiting)
        return Request((*waiting, *statements), read_only=self.is_read_only, transaction=InTransaction(self.token))

    def look(self, request: Request) -> Request:
        """Return a request that reads as it reads inside the transaction."""
        return replace(request, at=None, read_only=True, transaction=InTransaction(self.token))

    def after(self, ran: Sequence[Kept], reply: Reply) -> Transaction | None:
        """Return the transaction after statements that have run; None if they have ended it."""
        token = _token(reply.transaction)
        shown = [replace(kept, shown=_kept_of(result)) for kept, result in zip(ran, reply.results, strict=True)]
        return None if token is None else self._renewed(token, shown)

    def stopped(self, ran: Sequence[Kept], error: SldbError) -> Transaction | None:
        """Return the transaction after statements of which one has failed; None if that has ended it.

        Without a token in the error nothing of the request is a part of it, and a waiting statement that failed is
        dropped with those after it.
        """
        position = _position(error)
        if error.transaction is not None and position is not None and position < len(ran):
            token = _token(error.transaction)
            failed = replace(ran[position], error=error.message)
            return None if token is None else self._renewed(token, [*ran[:position], failed])
        return None if _is_over(error) else self._without_waiting_from(position)

    def _renewed(self, token: str, ran: Sequence[Kept]) -> Transaction:
        return replace(self, token=token, statements=(*self.statements, *ran), waiting=(), waiting_bytes=0)

    def _without_waiting_from(self, position: int | None) -> Transaction:
        if position is None or not 0 <= position < len(self.waiting):
            return self
        left = self.waiting[:position]
        return replace(self, waiting=left, waiting_bytes=_size(left))

    # Its end

    def commit(self, request_id: str, *, retry: bool = False) -> Request:
        """Return the request for the commit; the same one again if its outcome is unknown."""
        if self.sent is not None:
            return self.sent
        if retry:
            return Request(tuple(kept.statement for kept in self.succeeded), request_id=request_id)
        return replace(self.request(()), transaction=InTransaction(self.token, COMMIT), request_id=request_id)

    def refused(self, error: SldbError, *, retry: bool = False) -> Transaction | None:
        """Return the transaction after a commit that was certainly not applied, and complete the error's details: they
        name the statement."""
        position = _position(error)
        left = replace(self, sent=None)
        if position is None:
            return None if _is_over(error) else left
        sent = self.succeeded if retry else self.waiting
        if position < len(sent):
            error.details.update(statement=0, statement_count=1, **sent[position].about())
        return None if _is_over(error) else left._without_waiting_from(position - len(sent) + len(self.waiting))

    def changed_statement(self, error: SldbError) -> int | None:
        """Return the position of the statement that a conflict is about."""
        position = error.details.get("statement")
        if error.code != "conflict" or not isinstance(position, int) or position >= len(self.statements):
            return None
        return position


def blame(ran: Sequence[Kept], own_count: int, error: SldbError) -> None:
    """Complete the details of an error of a request of which the last statements are the user's newest: they name the
    statement that failed, and its line."""
    position = _position(error)
    if position is None or position >= len(ran):
        return
    own = position - (len(ran) - own_count)
    is_own = own >= 0
    error.details.update(statement=max(own, 0), statement_count=own_count if is_own else 1, **ran[position].about())


def _position(error: SldbError) -> int | None:
    """Return the position of the statement that failed, in its request; a conflict counts in the whole transaction."""
    position = error.details.get("statement")
    return position if isinstance(position, int) and error.code != "conflict" else None


def _kept_of(result: Result) -> Result:
    return result if len(result.rows) <= MAX_KEPT_ROWS else replace(result, rows=[])


def _token(state: Mapping[str, Any] | None) -> str | None:
    token = (state or {}).get("token")
    return token if isinstance(token, str) else None


def _is_over(error: SldbError) -> bool:
    """Return True if a statement has ended the transaction, such as INSERT OR ROLLBACK."""
    return error.transaction is not None and _token(error.transaction) is None


def _size(statements: Sequence[Kept]) -> int:
    requests = (Request((kept.statement,)).encode() for kept in statements)
    return sum(len(json.dumps(request, ensure_ascii=False).encode()) + 2 for request in requests)
