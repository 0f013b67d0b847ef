"""A session: the statements of one request on one fresh connection, within the request's rights and time.

A connection lives for one request, so that nothing of it (settings, temporary tables, rowids) reaches the next.
Opening one costs about 40 µs, since the pages stay in the replica's cache (benchmarks/engine.py).

SQLite decides, once it has prepared a statement, if it writes. A session without the right to write stops there with
`WriteNeeded`; the caller takes the lock and runs the request again from its start. Then the first writing statement (or
one with a savepoint) opens the transaction. Earlier ones run outside of it, so that PRAGMAs such as foreign_keys take
effect; `sql/pragmas.py` makes sure that no later one is silently ignored. VACUUM cannot run inside a transaction, and
must come alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import apsw

from lambda_handlers.deadline import Deadline
from lambda_handlers.sql import own_tables, script
from lambda_handlers.sql.authorizer import Authorizer, not_yours
from lambda_handlers.sql.chance import Chance
from lambda_handlers.sql.errors import MAX_VALUE_BYTES, translated
from lambda_handlers.sql.execution import BeginNeeded, Engine, Execution, WriteNeeded, attached_is_read_only
from lambda_handlers.sql.pragmas import FOREIGN_KEYS, Place, Pragmas
from lambda_handlers.sql.reply_limit import ReplyRoom
from lambda_handlers.sql.statements import Step, steps_of
from lambda_handlers.storage.log.kinds import Kind, of_statements
from lambda_handlers.storage.vfs import Attach, DraftVFS, nothing_to_attach
from lambda_handlers.wire import Result, SldbError, Statement

if TYPE_CHECKING:
    from lambda_handlers.sql.changes import Changes
    from lambda_handlers.sql.pin import Pin

__all__ = ["Mode", "Session", "WriteNeeded"]

DEFAULT_PAGE_SIZE = 4096  # of new databases: benchmarks/page_size.py, figures in docs/storage.md
MAX_ATTACHED = 10  # SQLite's own default
_DEFERS_FOREIGN_KEYS = "defer_foreign_keys"  # until the end of a transaction, such as a SELECT alone
INSTRUCTIONS_BETWEEN_CHECKS = 10_000  # of SQLite's virtual machine: about a millisecond
_FAILURES = (apsw.Error, UnicodeError, KeyError, TypeError, OverflowError, ValueError, MemoryError, OSError)


@dataclass(frozen=True, slots=True)
class Mode:
    """The rights of a session."""

    may_write: bool
    may_commit: bool  # False: a dry run, which is always rolled back
    counts_changes: bool = False  # `Session.changes` shows what the statements did


READ = Mode(may_write=False, may_commit=False)
WRITE = Mode(may_write=True, may_commit=True)


class Session:
    """A session that may write ends with `commit`; otherwise `close` rolls back."""

    def __init__(
        self,
        vfs: DraftVFS,
        mode: Mode,
        deadline: Deadline,
        room: ReplyRoom | None = None,  # for the rows; None: without a limit
        attach: Attach = nothing_to_attach,  # opens the databases that ATTACH names
        pin: Pin | None = None,  # chance and time for the statements; None: those of the machine
    ) -> None:
        self._vfs = vfs
        self._mode = mode
        self._deadline = deadline
        self._has_setting = False  # the foreign_keys setting of the database is in effect
        is_new = vfs.draft.page_count == 0
        self._chance = Chance(pin, self)
        with self._chance.of_statement():
            self.connection = vfs.connect(attach, self, None if pin is None else pin.time_ms)
        self._authorizer = Authorizer(new_database=is_new)
        try:
            _configure(self.connection, is_new)
        except BaseException as error:
            self.close()
            if isinstance(error, apsw.Error):  # the stored bytes are not a database
                self._fail(error)
            raise
        self.connection.authorizer = self._authorizer
        self.changes = self._count_changes() if mode.counts_changes else None
        self._pragmas = Pragmas(self.connection, self._authorizer, new_database=is_new)
        parts = self.connection, self._authorizer, self._pragmas, self._chance, room or ReplyRoom(), self.changes
        self._engine = Engine(*parts, mode.may_write)
        self.connection.set_progress_handler(deadline.is_over, INSTRUCTIONS_BETWEEN_CHECKS)

    @property
    def may_write(self) -> bool:
        return self._mode.may_write

    @property
    def has_written(self) -> bool:
        """True if one of the statements wrote, even if it was rolled back to a savepoint since."""
        return bool(self._engine.written)

    def run(self, statements: Sequence[Statement]) -> tuple[Result, ...]:
        """Return the results of all statements, in order. Raises SldbError, Conflict, or WriteNeeded."""
        steps = list(steps_of(statements, self.check))
        results: list[Result] = []
        if self.may_write:
            self._adopt_setting()
        for step in steps:
            try:
                self.check()  # SQLite counts the steps of one statement
                results.append(self._run_step(step, len(results), alone=len(steps) == 1))
            except SldbError as error:
                if len(steps) > 1:
                    about = {"statement_count": len(steps), "part": step.part, "begins": step.piece.begins}
                    error.details.update(about | error.details)
                raise
        return tuple(results)

    def commit(self) -> None:
        """Commit the transaction of the statements, if there is one. Returns only when the store has it."""
        self._commit(of_statements(self._engine.written))

    def write_own(self, kind: Kind, action: Callable[[apsw.Connection], Any]) -> None:
        """Commit the writes of statements of sldb's own, if they write anything. Raises as `commit` does."""
        self.trusted(lambda connection: connection.execute("BEGIN IMMEDIATE"))
        self.trusted(action)
        self._commit(kind)

    def trusted(self, action: Callable[[apsw.Connection], Any]) -> Any:
        """Run statements of sldb's own. They fail for the same reasons as the user's: damage, time, a full disk."""
        try:
            undisturbed = own_tables.undisturbed(self.connection)
            with self._chance.of_own(), self._authorizer.trusting(), undisturbed, self._writable():
                return action(self.connection)
        except (apsw.Error, OSError, MemoryError) as error:
            self._fail(error)

    def close(self) -> None:
        """Close the connection; a transaction without a commit is rolled back."""
        self.connection.close(True)

    def check(self) -> None:
        """Raise `query_timeout` before a page is fetched too late; a committed transaction is not stopped any more."""
        if self._vfs.permit.txid is None:
            self._deadline.check()

    def _count_changes(self) -> Changes:
        from lambda_handlers.sql.changes import Changes  # few requests need it, and imports slow down cold starts

        return Changes(self.connection, self._authorizer)

    # Statements

    def _adopt_setting(self) -> None:
        """Enforce foreign keys if the database is set to. It takes the first page, which a read may do without."""
        if not self._has_setting:
            self._has_setting = True
            self._pragmas.begin(self._vfs.draft.foreign_keys(self))

    def _run_step(self, step: Step, position: int, alone: bool) -> Result:
        self._chance.next_statement()
        if step.is_redundant:
            return Result()
        try:
            result = self._run_piece(step, position, alone)
            if self._authorizer.pragmas:
                with self._chance.of_own():
                    self._pragmas.after(Place(position, step.part, step.piece.begins))
            return result
        except SldbError as error:
            error.details.setdefault("statement", position)
            raise
        except _FAILURES as error:
            self._fail(error, position, step.piece)

    def _run_piece(self, step: Step, position: int, alone: bool) -> Result:
        piece = step.piece
        word = script.first_word(piece.sql)
        if word == "VACUUM":
            return self._vacuum(piece, alone)
        if FOREIGN_KEYS in piece.sql.lower():  # reading and setting it both concern the setting in effect
            self._adopt_setting()
        if self.may_write and (word == "SAVEPOINT" or _DEFERS_FOREIGN_KEYS in piece.sql.lower()):
            self._begin()
        try:
            return self._execute_guarded(step, word, position)
        except BeginNeeded:
            self._begin()
            return self._execute_guarded(step, word, position)

    def _begin(self) -> None:
        if not self.connection.in_transaction:
            self._execute_own("BEGIN IMMEDIATE")

    def _vacuum(self, piece: script.Piece, alone: bool) -> Result:
        if not alone:
            if script.second_name(piece.sql).lower() in self._authorizer.attached:
                raise attached_is_read_only(piece.sql.strip())
            hint = "send VACUUM as a request of its own"
            raise SldbError("sql_error", "VACUUM cannot run inside a transaction", hint)
        if not self._mode.may_commit:
            raise SldbError("bad_request", "dry_run: VACUUM cannot be rolled back", "send it without dry_run")
        with self._vfs.permit.granted(Kind.VACUUM):
            return Execution(self._engine, piece.sql, None, "VACUUM").run(0)

    def _execute_guarded(self, step: Step, word: str, position: int) -> Result:
        """Execute a statement; raise `forbidden` if it reaches tables of sldb's own in ways hidden from the
        authorizer."""
        execution = Execution(self._engine, step.piece.sql, step.params, word)
        if word not in ("ALTER", "CREATE") or not own_tables.may_reach(step.piece.sql):
            return execution.run(position)
        before = self.trusted(own_tables.reach)
        result = execution.run(position)
        if reached := self.trusted(own_tables.reach) - before:
            raise SldbError("forbidden", not_yours(min(reached)), self._authorizer.hint)
        return result

    # Transactions and statements of sldb's own

    def _commit(self, kind: Kind) -> None:
        if not self.connection.in_transaction:
            return
        try:
            with self._vfs.permit.granted(kind):
                self._execute_own("COMMIT")
        except (apsw.Error, OSError, MemoryError) as error:
            # Once the store has the transaction, no local failure of SQLite's can undo it.
            if self._vfs.permit.txid is None:
                self._fail(error)

    def _execute_own(self, sql: str) -> None:
        with self._chance.of_own(), self._authorizer.trusting():
            self.connection.execute(sql)

    @contextmanager
    def _writable(self) -> Iterator[None]:
        """Suspend the request's own PRAGMA query_only."""
        is_set = self._pragmas.may_be_query_only and self.connection.pragma("query_only")
        if is_set:
            self.connection.execute("PRAGMA query_only = OFF")
        try:
            yield
        finally:
            if is_set:
                self.connection.execute("PRAGMA query_only = ON")

    def _fail(self, error: Exception, statement: int | None = None, piece: script.Piece | None = None) -> NoReturn:
        """Raise the error for the user in place of one of SQLite's or Python's."""
        if self._deadline.is_over() and isinstance(error, apsw.InterruptError):
            raise self._deadline.error(statement) from error
        if isinstance(error, apsw.AuthError) or self._authorizer.refusal:
            message, hint = self._authorizer.refusal or str(error), self._authorizer.hint
            raise SldbError("forbidden", message, hint, statement=statement) from error
        if isinstance(error, apsw.ReadOnlyError) and self._authorizer.attached:
            raise attached_is_read_only(str(error), statement) from error
        raise translated(error, statement, piece) from error


def _configure(connection: apsw.Connection, is_new: bool) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.limit(apsw.SQLITE_LIMIT_WORKER_THREADS, 0)
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, MAX_ATTACHED)
    if is_new:  # in an existing database the next VACUUM would change the page size
        connection.execute(f"PRAGMA page_size = {DEFAULT_PAGE_SIZE}")
    connection.execute("PRAGMA synchronous = FULL")
