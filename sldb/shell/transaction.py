"""An open transaction: kept by the client, over a stateless function. Pure: no I/O.

    BEGIN                 Transaction(txid): based on the newest transaction
    a statement           replay(…) runs all kept statements and then this one, as of that moment, and rolls back
                          (dry_run, at); own_part(…) is its part of the reply, keep(…) the transaction with it
    COMMIT                commit() sends the kept statements as one request, which applies only if no client has
                          committed since (if_txid); commit(retry=True) applies it to the newest state by then
    ROLLBACK              drops the Transaction

So later commits of other clients are invisible inside it, its own writes are visible to it alone, and nothing is
locked. Its limit: a statement runs again with each one after it, and once more for the commit. One that calls random()
or reads the time may store another value than it showed, and its rows of an attached database may have changed.

`parts` finds BEGIN, COMMIT and ROLLBACK in SQL; savepoints are statements like others, handled by SQLite.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lambda_handlers.wire import Reply, Request, SldbError, Statement
from sldb.sql_text import bare_words, is_blank, split_statements

MAX_BYTES = 5_900_000  # of its statements in a request; the limit of Lambda is 6 MB

_READS = frozenset(("SELECT", "VALUES", "EXPLAIN"))
_CHANGES = frozenset(("INSERT", "REPLACE", "UPDATE", "DELETE"))  # also after WITH
_SILENT = frozenset(("CREATE", "DROP", "ALTER", "SAVEPOINT", "RELEASE", "ROLLBACK", *_CHANGES))


@dataclass(frozen=True, slots=True)
class Begin:
    pass


@dataclass(frozen=True, slots=True)
class Commit:
    retry: bool = False  # COMMIT RETRY: also if other clients have committed meanwhile


@dataclass(frozen=True, slots=True)
class Rollback:
    pass


@dataclass(frozen=True, slots=True)
class Batch:
    """Statements between BEGIN, COMMIT and ROLLBACK."""

    sql: str


Part: TypeAlias = "Begin | Commit | Rollback | Batch"

_SPELLINGS: dict[tuple[str, ...], Part] = {
    **{("BEGIN", *kind): Begin() for kind in ((), ("DEFERRED",), ("IMMEDIATE",), ("EXCLUSIVE",))},
    ("COMMIT",): Commit(),
    ("COMMIT", "RETRY"): Commit(retry=True),
    ("END",): Commit(),
    ("ROLLBACK",): Rollback(),
}


def parts(sql: str) -> Iterator[Part]:
    """Yield the parts of `sql` in order. Raises `sql_error` for a BEGIN, COMMIT or ROLLBACK with a syntax error."""
    batch = ""
    for statement in split_statements(sql):
        control = _control(statement)
        if control is None:
            batch += statement
            continue
        if not is_blank(batch):
            yield Batch(batch)
        batch = ""
        yield control
    if not is_blank(batch):
        yield Batch(batch)


def _control(statement: str) -> Part | None:
    words = tuple(bare_words(statement))
    if words[:1] not in (("BEGIN",), ("COMMIT",), ("END",), ("ROLLBACK",)):
        return None
    if words[0] == "ROLLBACK" and "TO" in words[1:3]:
        return None
    found = _SPELLINGS.get(tuple(word for word in words if word != "TRANSACTION"))
    if found is None:
        raise SldbError("sql_error", f'near "{words[-1]}": syntax error', "", query=statement)
    return found


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement kept for the commit."""

    statement: Statement
    line: int | None = None  # of the script


@dataclass(frozen=True, slots=True)
class Transaction:
    txid: int  # that it is based on; 0: a database before its first transaction
    statements: tuple[Kept, ...] = ()
    size_bytes: int = 0  # of the statements, as a request has them
    waiting: int = 0  # number of statements at the end that have never run
    sent: Request | None = None  # a commit that may or may not have been applied

    def replay(self, request: Request) -> Request:
        """Return the request as it runs inside the transaction. Raises `too_large`."""
        _check_size(self.size_bytes + _size(request.statements))
        ran = (*self._statements, *request.statements)
        return replace(request, statements=ran, at=self.txid, dry_run=True, read_only=False)

    def own_part(self, reply: Reply) -> Reply:
        """Return the results of the request itself out of the reply to its replay."""
        return replace(reply, results=reply.results[len(self.statements) :])

    def keep(self, statements: Sequence[Statement], *, line: int | None = None, has_run: bool = True) -> Transaction:
        """Return the transaction with more statements that have run, or (not `has_run`) wait. Raises `too_large`."""
        fresh = [statement for statement in statements if not is_read(statement.query)]
        size_bytes = self.size_bytes + _size(fresh)
        _check_size(size_bytes)
        kept = self.statements + tuple(Kept(statement, line) for statement in fresh)
        return replace(
            self, statements=kept, size_bytes=size_bytes, waiting=0 if has_run else self.waiting + len(fresh)
        )

    def with_all_run(self) -> Transaction:
        """Return the transaction with all kept statements marked as run."""
        return replace(self, waiting=0)

    def commit(self, request_id: str, *, retry: bool = False) -> Request:
        """Return the request for the commit; the same one again if its outcome is unknown."""
        if self.sent is not None:
            return self.sent
        if_txid = None if retry else self.txid
        return Request(self._statements, if_txid=if_txid, request_id=request_id)

    def blame(self, error: SldbError) -> tuple[SldbError, Transaction]:
        """Return an error of a replay or commit as the error of its statement, and the remaining transaction.

        A waiting statement that fails is dropped, with those after it.
        """
        position = error.details.get("statement")
        if not isinstance(position, int):
            return error, self
        if position >= len(self.statements):
            own_count = error.details.get("statement_count", 0) - len(self.statements)
            own = {"statement": position - len(self.statements), "statement_count": own_count}
            return _with_details(error, error.message, own), self
        kept = self.statements[position]
        about: dict[str, Any] = {"statement": 0, "statement_count": 1, "query": kept.statement.query}
        if kept.line is not None:
            about["line"] = kept.line
        if position < len(self.statements) - self.waiting:
            again = f"statement {position + 1} of the open transaction fails when it is run again: {error.message}"
            return _with_details(error, again, about), self
        left = replace(self, statements=self.statements[:position], waiting=0)
        return _with_details(error, error.message, about), replace(left, size_bytes=_size(left._statements))

    @property
    def _statements(self) -> tuple[Statement, ...]:
        return tuple(kept.statement for kept in self.statements)


def is_read(statement: str) -> bool:
    """Return True if the statement certainly changes nothing: replays leave it out."""
    words = list(bare_words(statement))
    return bool(words) and (words[0] in _READS or (words[0] == "WITH" and not _CHANGES.intersection(words)))


def is_silent(statement: str) -> bool:
    """Return True if the statement certainly returns no rows: a script need not run it at once."""
    words = list(bare_words(statement))
    return bool(words) and words[0] in _SILENT and "RETURNING" not in words


def _with_details(error: SldbError, message: str, details: dict[str, Any]) -> SldbError:
    return SldbError(error.code, message, error.hint, **{**error.details, **details})


def _size(statements: Sequence[Statement]) -> int:
    return sum(len(json.dumps(Request((one,)).encode(), ensure_ascii=False).encode()) + 2 for one in statements)


def _check_size(size_bytes: int) -> None:
    if size_bytes > MAX_BYTES:
        raise SldbError(
            "too_large",
            f"the open transaction would have {size_bytes / 1e6:.1f} MB of SQL, and a request has room for "
            f"{MAX_BYTES / 1e6:.1f} MB",
            "COMMIT these statements and continue, or load many rows with sldb import",
        )
