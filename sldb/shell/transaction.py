"""A transaction that is open at the client, over a function that keeps nothing between requests. Pure: no I/O.

    BEGIN                 Transaction(txid): it stands on what was the newest transaction
    a statement           replay(…) runs all that was kept, and then it, on that moment, and rolls back (dry_run, at);
                          shown(…) is its own part of the reply, kept(…) the transaction with it
    COMMIT                commit() sends what was kept as one request, which applies only if nobody committed since
                          (if_txid); commit(retry=True) applies it to whatever is the newest by then
    ROLLBACK              forgetting it

So inside it everybody's commits since are invisible, its own writes are visible to it alone, and nothing is locked.
What it cannot promise: a statement runs again with each one after it, and once more for the commit. One that calls
random() or asks for the time may store another value than it showed, and what it reads of an attached database may have
changed.

`parts` reads BEGIN, COMMIT and ROLLBACK out of SQL; savepoints are statements like others, and SQLite's to keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lambda_handlers.wire import Reply, Request, SldbError, Statement
from sldb.sql_text import bare_words, is_blank, split_statements

MOST_BYTES = 5_900_000  # of its statements in a request, which may have 6 MB in Lambda

_READS = frozenset(("SELECT", "VALUES", "EXPLAIN"))
_CHANGES = frozenset(("INSERT", "REPLACE", "UPDATE", "DELETE"))  # what may come after WITH
_SILENT = frozenset(("CREATE", "DROP", "ALTER", "SAVEPOINT", "RELEASE", "ROLLBACK", *_CHANGES))


@dataclass(frozen=True, slots=True)
class Begin:
    pass


@dataclass(frozen=True, slots=True)
class Commit:
    retry: bool = False  # COMMIT RETRY: also if others committed meanwhile


@dataclass(frozen=True, slots=True)
class Rollback:
    pass


@dataclass(frozen=True, slots=True)
class Batch:
    """Statements between those."""

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
    """What `sql` says, in order. Raises `sql_error` for a BEGIN, COMMIT or ROLLBACK that is none of SQLite's."""
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
    said = tuple(bare_words(statement))
    if said[:1] not in (("BEGIN",), ("COMMIT",), ("END",), ("ROLLBACK",)):
        return None
    if said[0] == "ROLLBACK" and "TO" in said[1:3]:
        return None
    found = _SPELLINGS.get(tuple(word for word in said if word != "TRANSACTION"))
    if found is None:
        raise SldbError("sql_error", f'near "{said[-1]}": syntax error', "", query=statement)
    return found


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement that the commit will run."""

    statement: Statement
    line: int | None = None  # of the script that it stands in


@dataclass(frozen=True, slots=True)
class Transaction:
    txid: int  # that it stands on; 0: a database before its first transaction
    statements: tuple[Kept, ...] = ()
    size_bytes: int = 0  # of the statements, as a request has them
    unproved: int = 0  # how many of them, at the end, were never run
    sent: Request | None = None  # a commit of which nobody knows whether it was applied

    def replay(self, request: Request) -> Request:
        """The request as it is answered inside the transaction. Raises `too_large`."""
        _check_size(self.size_bytes + _size(request.statements))
        ran = (*self._statements, *request.statements)
        return replace(request, statements=ran, at=self.txid, dry_run=True, read_only=False)

    def shown(self, reply: Reply) -> Reply:
        """The part of a replay's reply that answers the request."""
        return replace(reply, results=reply.results[len(self.statements) :])

    def keep(self, statements: Sequence[Statement], *, line: int | None = None, proved: bool = True) -> Transaction:
        """With what was run, or (not `proved`) is to run before whatever comes next. Raises `too_large`."""
        fresh = [statement for statement in statements if not is_read(statement.query)]
        size_bytes = self.size_bytes + _size(fresh)
        _check_size(size_bytes)
        kept = self.statements + tuple(Kept(statement, line) for statement in fresh)
        return replace(
            self, statements=kept, size_bytes=size_bytes, unproved=0 if proved else self.unproved + len(fresh)
        )

    def proven(self) -> Transaction:
        """All that was kept has run."""
        return replace(self, unproved=0)

    def commit(self, request_id: str, *, retry: bool = False) -> Request:
        """One whose outcome is unknown is sent again as it was."""
        if self.sent is not None:
            return self.sent
        if_txid = None if retry else self.txid
        return Request(self._statements, if_txid=if_txid, request_id=request_id)

    def blame(self, error: SldbError) -> tuple[SldbError, Transaction]:
        """An error of a replay or a commit as one of the statement that it is about, and what is left of the
        transaction: without a statement that never ran and turns out not to."""
        position = error.details.get("statement")
        if not isinstance(position, int):
            return error, self
        if position >= len(self.statements):
            asked = error.details.get("statement_count", 0) - len(self.statements)
            return _about(
                error, error.message, {"statement": position - len(self.statements), "statement_count": asked}
            ), self
        kept = self.statements[position]
        about: dict[str, Any] = {"statement": 0, "statement_count": 1, "query": kept.statement.query}
        if kept.line is not None:
            about["line"] = kept.line
        if position < len(self.statements) - self.unproved:
            again = f"statement {position + 1} of the open transaction fails when it is run again: {error.message}"
            return _about(error, again, about), self
        left = replace(self, statements=self.statements[:position], unproved=0)
        return _about(error, error.message, about), replace(left, size_bytes=_size(left._statements))

    @property
    def _statements(self) -> tuple[Statement, ...]:
        return tuple(kept.statement for kept in self.statements)


def is_read(statement: str) -> bool:
    """Whether it certainly changes nothing, so that a replay can do without it."""
    said = list(bare_words(statement))
    return bool(said) and (said[0] in _READS or (said[0] == "WITH" and not _CHANGES.intersection(said)))


def is_silent(statement: str) -> bool:
    """Whether it certainly returns no rows, so that a script need not run it before what follows."""
    said = list(bare_words(statement))
    return bool(said) and said[0] in _SILENT and "RETURNING" not in said


def _about(error: SldbError, message: str, details: dict[str, Any]) -> SldbError:
    return SldbError(error.code, message, error.hint, **{**error.details, **details})


def _size(statements: Sequence[Statement]) -> int:
    return sum(len(json.dumps(Request((one,)).encode(), ensure_ascii=False).encode()) + 2 for one in statements)


def _check_size(size_bytes: int) -> None:
    if size_bytes > MOST_BYTES:
        raise SldbError(
            "too_large",
            f"the open transaction would have {size_bytes / 1e6:.1f} MB of SQL, and a request has room for "
            f"{MOST_BYTES / 1e6:.1f} MB",
            "COMMIT what there is and go on, or bring many rows in with sldb import",
        )
