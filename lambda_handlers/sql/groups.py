"""The transactions of SQLite inside a session: what BEGIN, COMMIT, ROLLBACK and savepoints mean there.

A COMMIT inside a request is one of SQLite's: it checks deferred foreign keys, ends savepoints, and writes the pages
into the draft (`storage.draft`), not into the store. A later ROLLBACK goes back to it. The store gets all of them
together, by the session's own commit at the end, or nothing.

    joined     the statements outside of a group share one transaction of SQLite, since the request is a transaction:
               deferred foreign keys are checked at its end. It opens at the first write or savepoint, and ends at BEGIN
    apart      each of them is a transaction, as in SQLite: for requests that continue after errors
    a token's  the session is inside a transaction over several requests. It began before them, and COMMIT and ROLLBACK
               as statements are noted in `ended`
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import apsw

from lambda_handlers.shared.patterns import pattern
from lambda_handlers.sql import script
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from lambda_handlers.sql.changes import Changes
    from lambda_handlers.sql.pragmas import Place

# What other engines know and SQLite's grammar does not; SQLite takes BEGIN TRANSACTION READONLY for one with a name.
_OTHER_BEGIN = pattern(r"BEGIN (?:READONLY|CONCURRENT)(?: TRANSACTION)?", re.IGNORECASE)


def is_other_begin(sql: str) -> bool:
    return _OTHER_BEGIN.fullmatch(script.bare(sql)) is not None


class Groups:
    """The transactions of one session. Call `follow` when a statement has run, `failed` when one has not."""

    def __init__(
        self,
        connection: apsw.Connection,
        execute: Callable[[str], None],  # runs a statement of sldb's own
        in_transaction: bool,
        changes: Changes | None,
    ) -> None:
        self._connection = connection
        self._execute = execute
        self._in_transaction = in_transaction
        self._changes = changes
        self.joins = True  # statements outside of groups share a transaction
        self._is_joined = False  # the open transaction is that of the statements outside of groups
        self._savepoints: list[str] = []  # of the joined transaction
        self._was_open = False  # before the statement that runs
        self.open_since: Place | None = None  # where the open group began
        self.ended: str | None = None  # "commit" or "rollback", of a token's transaction

    @property
    def is_autocommit(self) -> bool:
        if self._in_transaction:
            return self.ended is not None
        if self._is_joined:
            return not self._savepoints
        return not self._connection.in_transaction

    def before_statement(self) -> None:
        """Open a token's transaction. Raises `sql_error` if it has ended."""
        if self.ended:
            raise SldbError(
                "sql_error",
                "the transaction has ended: nothing runs after its COMMIT or ROLLBACK",
                "send the statement as a request of its own",
                reason="transaction_ended",
            )
        if self._in_transaction and not self._connection.in_transaction:
            self._execute("BEGIN")
        self._was_open = self._connection.in_transaction

    def join(self) -> None:
        """Open the transaction of the statements outside of groups, unless one is open or they have none."""
        if self.joins and not self._connection.in_transaction:
            self._execute("BEGIN IMMEDIATE")
            self._is_joined = True

    def control(self, does: str, place: Place) -> None:
        """Run BEGIN, COMMIT (END) or ROLLBACK. Raises errors of SQLite and SldbError."""
        if does == "BEGIN":
            self._begin(place)
            return
        if self._in_transaction:
            self._end_token(does)
        elif self._is_joined:
            self._end_savepoints(does)
        else:
            self._execute(does)
        self.open_since = None
        if self._changes:
            self._changes.group_ended(rolled_back=does == "ROLLBACK")

    def _begin(self, place: Place) -> None:
        if self._is_joined and not self._savepoints:
            self._execute("COMMIT")
            self._is_joined = False
        self._execute("BEGIN")
        self.open_since = place
        if self._changes:
            self._changes.group_began()

    def _end_token(self, does: str) -> None:
        if does == "COMMIT":
            self._check_foreign_keys()
            self.ended = "commit"
        else:
            self._execute("ROLLBACK")
            self.ended = "rollback"

    def _end_savepoints(self, does: str) -> None:
        """End the transaction that the first open savepoint has begun, and leave what the joined one had before."""
        if not self._savepoints:
            message = f"cannot {does.lower()} - no transaction is active"
            raise SldbError("sql_error", message, sqlite_code="SQLITE_ERROR")
        if does == "COMMIT":
            self._check_foreign_keys()
        for name in reversed(self._savepoints):
            quoted = '"' + name.replace('"', '""') + '"'
            if does == "ROLLBACK":
                self._execute(f"ROLLBACK TO {quoted}")
            self._execute(f"RELEASE {quoted}")
        self._savepoints.clear()

    def _check_foreign_keys(self) -> None:
        if self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            code = "SQLITE_CONSTRAINT_FOREIGNKEY"
            raise SldbError("constraint", "FOREIGN KEY constraint failed", sqlite_code=code)

    def follow(self, savepoint: tuple[str, str]) -> None:
        """Follow a statement that was perhaps a savepoint: what it did (BEGIN, RELEASE or ROLLBACK), and its name."""
        does, name = savepoint
        if not self._is_joined or not does:
            return
        if does == "BEGIN":
            self._savepoints.append(name)
            return
        newest = max(i for i, one in enumerate(self._savepoints) if one == name)
        del self._savepoints[newest + (does == "ROLLBACK") :]

    def failed(self) -> bool:
        """Follow an error of a statement: return True if it has ended the open transaction."""
        if not self._was_open or self._connection.in_transaction:
            return False
        self._is_joined, self.open_since = False, None
        self._savepoints.clear()
        if self._in_transaction:
            self.ended = "rollback"
        if self._changes:
            self._changes.group_ended(rolled_back=True)
        return True

    def check_closed(self, count: int) -> None:
        """Raise `sql_error` if a group is open after the last of `count` statements."""
        if self.open_since is not None:
            raise SldbError(
                "sql_error",
                "the request ends inside a transaction: BEGIN without COMMIT or ROLLBACK",
                "end it in the same request; for one over several requests, use the field transaction or the shell",
                **self.open_since.details,
                statement_count=count,
                reason="open_transaction",
                applied="no",
            )
