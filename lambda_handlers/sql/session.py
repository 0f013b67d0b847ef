"""A session: the statements of one request on one fresh connection, within the request's rights and time.

A connection lives for one request, so that nothing of it (settings, temporary tables, rowids) reaches the next.
Opening one costs about 40 µs, since the pages stay in the replica's cache (benchmarks/engine.py).

SQLite decides, once it has prepared a statement, if it writes. A session without the right to write stops there with
`WriteNeeded`; the caller takes the lock and runs the request again from its start. Then the first writing statement (or
one with a savepoint) opens the transaction. Earlier ones run outside of it, so that PRAGMAs such as foreign_keys take
effect; `sql/pragmas.py` makes sure that no later one is silently ignored. `sql/groups.py` describes BEGIN and COMMIT
inside a request. VACUUM cannot run inside a transaction, and must come alone.

An error of a statement is its result (`Result.error`), as long as the session can go on: SQLite has undone the
statement. Errors of time, room and store are raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import apsw

from lambda_handlers.deadline import Deadline
from lambda_handlers.sql import execution, script
from lambda_handlers.sql.authorizer import Authorizer, not_yours
from lambda_handlers.sql.chance import Chance
from lambda_handlers.sql.connection import configure
from lambda_handlers.sql.errors import translated
from lambda_handlers.sql.execution import READ, WRITE, BeginNeeded, Control, Engine, Execution, Mode, WriteNeeded
from lambda_handlers.sql.groups import Groups, is_other_begin
from lambda_handlers.sql.own import own_tables
from lambda_handlers.sql.pragmas import FOREIGN_KEYS, Place, Pragmas
from lambda_handlers.sql.reply_limit import ReplyRoom
from lambda_handlers.sql.statement_runs import StatementRuns
from lambda_handlers.sql.statements import Entries, Step, steps_of
from lambda_handlers.storage.log.kinds import Kind, of_statements
from lambda_handlers.storage.vfs import Attach, DraftVFS, nothing_to_attach
from lambda_handlers.wire import Notice, Result, SldbError, Statement

if TYPE_CHECKING:
    from lambda_handlers.insights.watch import StatementWatch
    from lambda_handlers.sql.pin import Pin

__all__ = ["READ", "WRITE", "Mode", "Session", "WriteNeeded"]

_DEFERS_FOREIGN_KEYS = "defer_foreign_keys"  # until the end of a transaction, such as a SELECT alone
INSTRUCTIONS_BETWEEN_CHECKS = 10_000  # of SQLite's virtual machine: about a millisecond
_FAILURES = (apsw.Error, UnicodeError, KeyError, TypeError, OverflowError, ValueError, MemoryError, OSError)
_RESULTS = ("sql_error", "constraint", "bad_request", "read_only", "forbidden")  # errors that a session goes on after
_ENDS = ("SQLITE_IOERR", "SQLITE_INTERRUPT")  # but not after these: SQLite may have rolled back


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
        in_transaction: bool = False,  # inside a transaction over several requests: all its statements run in this one
        makes_digests: bool = False,  # of results, to compare them; inside a transaction it makes them anyway
        watch: StatementWatch | None = None,  # over what the statements take
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
            configure(self.connection, is_new)
        except BaseException as error:
            self.close()
            if isinstance(error, apsw.Error):  # the stored bytes are not a database
                self._fail(error)
            raise
        self.connection.authorizer = self._authorizer
        self.changes = execution.changes_of(self.connection, self._authorizer) if mode.counts_changes else None
        self._pragmas = Pragmas(self.connection, self._authorizer, new_database=is_new)
        parts = self.connection, self._authorizer, self._pragmas, self._chance, room or ReplyRoom(), self.changes
        digest = execution.digest_of_results() if in_transaction or makes_digests else None
        self._engine = Engine(*parts, vfs.draft, mode.may_write, digest, watch=watch)
        self._runs = StatementRuns(self._engine, self.check, None if pin is None else pin.time_ms)
        self._in_transaction = in_transaction
        self.groups = Groups(self.connection, self._execute_own, in_transaction, self.changes)
        self.connection.set_progress_handler(self._is_over, INSTRUCTIONS_BETWEEN_CHECKS)

    @property
    def may_write(self) -> bool:
        return self._mode.may_write

    def resume(self, deadline: Deadline, room: ReplyRoom, attach: Attach, *, may_write: bool = True) -> None:
        """Go on with further statements of the transaction, within the time, room and rights of another request."""
        self._vfs.attach = attach
        self._deadline = deadline
        self._engine.room = room
        self._engine.may_write = may_write
        self._runs.begin_request()

    @property
    def has_written(self) -> bool:
        """True if one of the statements wrote, even if it was rolled back to a savepoint since."""
        return bool(self._engine.written)

    @property
    def kind(self) -> Kind:
        """The kind of the transaction that the statements make."""
        return of_statements(self._engine.written)

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """The warnings of the request."""
        return self._runs.warnings

    def run(self, statements: Sequence[Statement], on_error: str = "stop") -> tuple[Result, ...]:
        """Return the results of all statements of a request, in order. Raises SldbError, Conflict, or WriteNeeded."""
        results = self.run_steps(list(steps_of(statements, self.check)), on_error)
        if on_error == "stop" and results and results[-1].error:
            raise results[-1].error
        self.groups.check_closed(len(results))
        return results

    def run_steps(self, steps: Sequence[Step], on_error: str = "stop") -> tuple[Result, ...]:
        """Return the results of the steps, with "stop" up to the first error of a statement. Raises errors of any other
        kind, Conflict, or WriteNeeded."""
        entries = Entries()
        results: list[Result] = []
        self._engine.joins = self.groups.joins = on_error == "stop" and not self._in_transaction
        if self.may_write:
            self._adopt_setting()
        for step in steps:
            result = self._result_of(step, entries, len(results), len(steps))
            results.append(result)
            entries.note(step, result)
            if result.error and on_error == "stop":
                break
        return tuple(results)

    def describe(self, sql: str) -> execution.Described:
        """Return what SQLite knows of a statement that does not run. Raises SldbError."""
        return self._runs.describe(sql, self.trusted)

    def commit(self) -> None:
        """Commit the transaction of the statements, if there is one. Returns only when the store has it."""
        self._commit(self.kind)

    def write_own(self, kind: Kind, action: Callable[[apsw.Connection], Any]) -> None:
        """Commit the writes of statements of sldb's own, if they write anything. Raises as `commit` does."""
        self.trusted(lambda connection: connection.execute("BEGIN IMMEDIATE"))
        self.trusted(action)
        self._commit(kind)

    def trusted(self, action: Callable[[apsw.Connection], Any]) -> Any:
        """Run statements of sldb's own. They fail for the same reasons as the user's: damage, time, a full disk."""
        try:
            undisturbed = own_tables.undisturbed(self.connection)
            with self._chance.of_own(), self._authorizer.trusting(), undisturbed, self._pragmas.suspended_query_only():
                return action(self.connection)
        except (apsw.Error, OSError, MemoryError) as error:
            self._fail(error)

    def close(self) -> None:
        """Close the connection; a transaction without a commit is rolled back."""
        self.connection.close(True)

    def check(self) -> None:
        """Raise `query_timeout` or `cancelled` before a fetch that is too late; a committed transaction goes on."""
        if self._vfs.permit.txid is None:
            self._deadline.check()

    def _is_over(self) -> bool:
        """Return True if SQLite is to stop the statement."""
        return self._vfs.permit.txid is None and self._deadline.is_over()

    # Statements

    def _adopt_setting(self) -> None:
        """Enforce foreign keys if the database is set to. It takes the first page, which a read may do without."""
        if not self._has_setting:
            self._has_setting = True
            self._pragmas.begin(self._vfs.draft.foreign_keys(self))

    def _result_of(self, step: Step, entries: Entries, position: int, count: int) -> Result:
        place = Place(position, step.part, step.piece.begins)
        try:
            self.check()  # SQLite counts the steps of one statement
            if not entries.runs(step, self.groups.is_autocommit):
                self._engine.room.take_empty()
                return Result(skipped=True)
            self.groups.before_statement()
            return self._run_step(step, place, alone=count == 1)
        except SldbError as error:
            if self._runs.failed_row is not None:
                error.details["row"] = self._runs.failed_row
            if count > 1:
                error.details.update({"statement_count": count, **place.details} | error.details)
            error.details.setdefault("statement", position)
            if error.code not in _RESULTS or str(error.details.get("sqlite_code")).startswith(_ENDS):
                raise
            self._engine.room.take_empty(error)
            digest = self._engine.digest.of_error(error) if self._engine.digest else None
            return Result(digest=digest, error=error, rolled_back=self.groups.failed())

    def _run_step(self, step: Step, place: Place, alone: bool) -> Result:
        self._chance.next_statement()
        try:
            result = self._run_piece(step, place, alone)
            self.groups.follow(self._authorizer.savepoint)
            if self._authorizer.pragmas:
                with self._chance.of_own():
                    self._pragmas.after(place)
            return result
        except _FAILURES as error:
            self._fail(error, place.statement, step.piece)

    def _run_piece(self, step: Step, place: Place, alone: bool) -> Result:
        piece = step.piece
        word = script.first_word(piece.sql)
        if word == "VACUUM":
            return self._vacuum(piece, alone)
        if word == "BEGIN" and is_other_begin(piece.sql):
            return self._control("BEGIN", place)
        if FOREIGN_KEYS in piece.sql.lower():  # reading and setting it both concern the setting in effect
            self._adopt_setting()
        if self.may_write and (word == "SAVEPOINT" or _DEFERS_FOREIGN_KEYS in piece.sql.lower()):
            self.groups.join()
        try:
            return self._execute_guarded(step, word, place.statement)
        except BeginNeeded:
            self.groups.join()
            return self._execute_guarded(step, word, place.statement)
        except Control as control:
            return self._control(control.does, place)

    def _control(self, does: str, place: Place) -> Result:
        self._authorizer.begin_statement("")
        self.groups.control(does, place)
        self._engine.room.take_empty()
        return Result(digest=self._engine.digest().end() if self._engine.digest else None)

    def _vacuum(self, piece: script.Piece, alone: bool) -> Result:
        from lambda_handlers.sql import vacuum  # few requests need it, and imports slow down cold starts

        is_alone = alone and not self._in_transaction
        vacuum.check(piece, self._authorizer, self._mode, alone=is_alone, compares=bool(self._engine.digest))
        with self._vfs.permit.granted(Kind.VACUUM):
            return Execution(self._engine, piece.sql, None, "VACUUM").run(0)

    def _execute_guarded(self, step: Step, word: str, position: int) -> Result:
        """Execute a statement; undo it and raise `forbidden` if it reaches tables of sldb's own in ways hidden from the
        authorizer."""
        if word in ("ALTER", "CREATE"):
            from lambda_handlers.sql.functions import schema_use  # few requests need it

            schema_use.check(step.piece.sql)
        if word not in ("ALTER", "CREATE") or not own_tables.may_reach(step.piece.sql):
            return self._runs.run(step, word, position, self.trusted)
        if self.may_write:
            self.groups.join()
        before = self.trusted(own_tables.reach)
        with own_tables.undone_by_error(self.connection, self._execute_own):
            result = self._runs.run(step, word, position, self.trusted)
            if reached := self.trusted(own_tables.reach) - before:
                raise SldbError("forbidden", not_yours(min(reached)), self._authorizer.hint)
        return result

    # Transactions and statements of sldb's own

    def _commit(self, kind: Kind) -> None:
        try:
            with self._vfs.permit.granted(kind):
                if self.connection.in_transaction:
                    self._execute_own("COMMIT")
                self._vfs.commit_rest()
        except (apsw.Error, OSError, MemoryError) as error:
            # Once the store has the transaction, no local failure of SQLite's can undo it.
            if self._vfs.permit.txid is None:
                self._fail(error)

    def _execute_own(self, sql: str) -> None:
        # Without a turn: BEGIN and COMMIT take nothing from the generator. A COMMIT may write (pending terms of FTS).
        with self._authorizer.trusting(), self._pragmas.suspended_query_only():
            self.connection.execute(sql)

    def _fail(self, error: Exception, statement: int | None = None, piece: script.Piece | None = None) -> NoReturn:
        """Raise the error for the user in place of one of SQLite's or Python's."""
        if self._deadline.is_over() and isinstance(error, apsw.InterruptError):
            raise self._deadline.error(statement) from error
        raise translated(error, self._authorizer, statement, piece, self.trusted) from error
