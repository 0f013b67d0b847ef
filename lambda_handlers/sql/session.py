"""One request's statements on one fresh connection: run, limit, and say what went wrong.

A connection lives for one request, so that nothing of it (settings, temporary tables, rowids) reaches the next.
Opening one costs about 40 µs, since the pages stay in the replica's cache (benchmarks/engine.py).

Whether a statement writes is SQLite's to say, once it has prepared it. A session that may not write stops there with
`WriteNeeded`; the caller takes the lock and runs the request again from its start. Then the first statement that writes
(or names a savepoint) opens the transaction. What comes before it runs outside, where SQLite lets PRAGMAs set things
such as foreign_keys; of those that come later, sql/pragmas.py sees to it that none is ignored in silence. VACUUM, which
cannot run inside a transaction, must come alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import apsw

from lambda_handlers.sql import own_tables, script
from lambda_handlers.sql.authorizer import Authorizer, not_yours
from lambda_handlers.sql.errors import MAX_VALUE_BYTES, translated
from lambda_handlers.sql.pragmas import FOREIGN_KEYS, Place, Pragmas
from lambda_handlers.sql.reply_limit import ReplyRoom
from lambda_handlers.storage.log.kinds import Kind, of_statements
from lambda_handlers.storage.vfs import Attach, DraftVFS, nothing_to_attach
from lambda_handlers.wire import Column, Params, Result, Row, SldbError, Statement, StoredRows

if TYPE_CHECKING:
    from lambda_handlers.sql.changes import Changes

DEFAULT_PAGE_SIZE = 4096  # of new databases: benchmarks/page_size.py, figures in docs/storage.md
MOST_ATTACHED = 10  # SQLite's own default
_DEFERS_FOREIGN_KEYS = "defer_foreign_keys"  # until the end of a transaction, and a SELECT by itself is one
INSTRUCTIONS_BETWEEN_CHECKS = 10_000  # of SQLite's virtual machine: about a millisecond


class WriteNeeded(Exception):
    """The request writes, and this session may not. `doing` says what it would do."""

    def __init__(self, doing: str) -> None:
        super().__init__(doing)
        self.doing = doing


class _BeginNeeded(Exception):
    """The statement writes, and there is no transaction yet."""


class Session:
    """A session that `may_write` ends with `commit`, or its `close` rolls back; one that may not commit (a dry run)
    always rolls back. `is_over` tells when the request's time is up, `room` where rows go. `attach` finds what ATTACH
    names; `changes`, for one that `watches`, is what its statements did."""

    def __init__(
        self,
        vfs: DraftVFS,
        may_write: bool,
        may_commit: bool,
        is_over: Callable[[], bool],
        room: ReplyRoom,
        attach: Attach = nothing_to_attach,
        watches: bool = False,
    ) -> None:
        self._vfs = vfs
        self.may_write = may_write
        self._may_commit = may_commit
        self._is_over = is_over
        self._room = room
        self.has_written = False
        self._has_setting = False  # that of the database
        self._words: set[str] = set()  # with which the statements that write begin
        self.connection = vfs.connect(attach, self)
        self._authorizer = Authorizer(new_database=vfs.draft.page_count == 0)
        try:
            _configure(self.connection, is_new=vfs.draft.page_count == 0)
        except BaseException as error:
            self.close()
            if isinstance(error, apsw.Error):  # what is stored is no database
                self.explain(error)
            raise
        self.connection.authorizer = self._authorizer
        self.changes = self._watch() if watches else None
        self._pragmas = Pragmas(self.connection, self._authorizer, new_database=vfs.draft.page_count == 0)
        self.connection.set_progress_handler(is_over, INSTRUCTIONS_BETWEEN_CHECKS)

    def run(self, statements: Sequence[Statement]) -> tuple[Result, ...]:
        """The results of all statements, in order. Raises SldbError, Conflict, or WriteNeeded."""
        steps = list(_steps(statements, self.check))
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

    def _adopt_setting(self) -> None:
        """Enforce foreign keys where the database says so. It takes the first page, which a read may do without."""
        if not self._has_setting:
            self._has_setting = True
            self._pragmas.begin(self._vfs.draft.foreign_keys(self))

    def check(self) -> None:
        """Raise if the time is over, before a page is fetched. Once the transaction is committed that is too late."""
        if self._vfs.permit.txid is None and self._is_over():
            raise timed_out()

    def _watch(self) -> Changes:
        from lambda_handlers.sql.changes import Changes  # few requests want it, and cold starts pay for imports

        return Changes(self.connection, self._authorizer)

    def commit(self) -> None:
        """Commit what was written, if anything was. Returns only when the store has it."""
        self._commit(of_statements(self._words))

    def write_own(self, kind: Kind, action: Callable[[apsw.Connection], Any]) -> None:
        """Commit what statements of our own write, if they write anything. Raises as `commit` does."""
        self.trusted(lambda connection: connection.execute("BEGIN IMMEDIATE"))
        self.trusted(action)
        self._commit(kind)

    def _commit(self, kind: Kind) -> None:
        if not self.connection.in_transaction:
            return
        try:
            with self._vfs.permit.granted(kind):
                self._execute_own("COMMIT")
        except (apsw.Error, OSError, MemoryError) as error:
            # Once the store has the transaction nothing that SQLite does locally afterwards can undo it.
            if self._vfs.permit.txid is None:
                self.explain(error)

    def trusted(self, action: Callable[[apsw.Connection], Any]) -> Any:
        """Run statements of our own. They fail for the reasons that the user's do: damage, time, a full disk."""
        try:
            with self._authorizer.trusting(), own_tables.undisturbed(self.connection), self._writable():
                return action(self.connection)
        except (apsw.Error, OSError, MemoryError) as error:
            self.explain(error)

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

    def close(self) -> None:
        """Whatever was not committed is gone."""
        self.connection.close(True)

    def explain(self, error: Exception, statement: int | None = None, piece: script.Piece | None = None) -> NoReturn:
        """Raise what the user should see instead of an error of SQLite's."""
        if self._is_over() and isinstance(error, apsw.InterruptError):
            raise timed_out(statement) from error
        if isinstance(error, apsw.AuthError) or self._authorizer.refusal:
            raise SldbError(
                "forbidden",
                self._authorizer.refusal or str(error),
                self._authorizer.hint,
                statement=statement,
            ) from error
        if isinstance(error, apsw.ReadOnlyError) and self._authorizer.attached:
            raise _attached_is_read_only(str(error), statement) from error
        raise translated(error, statement, piece) from error

    def _run_step(self, step: _Step, position: int, alone: bool) -> Result:
        if step.says_nothing:
            return Result()
        piece, params = step.piece, step.params
        word = script.first_word(piece.sql)
        try:
            if word == "VACUUM":
                return self._vacuum(piece, alone)
            if FOREIGN_KEYS in piece.sql.lower():  # whether it asks or sets, it is about what is so
                self._adopt_setting()
            if self.may_write and (word == "SAVEPOINT" or _DEFERS_FOREIGN_KEYS in piece.sql.lower()):
                self._begin()
            try:
                result = self._execute_guarded(piece.sql, params, word, position)
            except _BeginNeeded:
                self._begin()
                result = self._execute_guarded(piece.sql, params, word, position)
            if self._authorizer.pragmas:
                self._pragmas.after(Place(position, step.part, piece.begins))
            return result
        except SldbError as error:
            error.details.setdefault("statement", position)
            raise
        except (
            apsw.Error,
            UnicodeError,
            KeyError,
            TypeError,
            OverflowError,
            ValueError,
            MemoryError,
            OSError,
        ) as error:
            self.explain(error, position, piece)

    def _begin(self) -> None:
        if not self.connection.in_transaction:
            self._execute_own("BEGIN IMMEDIATE")

    def _vacuum(self, piece: script.Piece, alone: bool) -> Result:
        if not alone:
            if script.second_name(piece.sql).lower() in self._authorizer.attached:
                raise _attached_is_read_only(piece.sql.strip())
            hint = "send VACUUM as a request of its own"
            raise SldbError("sql_error", "VACUUM cannot run inside a transaction", hint)
        if not self._may_commit:
            raise SldbError("bad_request", "dry_run: VACUUM cannot be rolled back", "send it without dry_run")
        with self._vfs.permit.granted(Kind.VACUUM):
            return self._execute(piece.sql, None, "VACUUM", 0)

    def _execute_guarded(self, sql: str, params: Params, word: str, position: int) -> Result:
        """What changes the schema may not reach what is ours by ways that the authorizer is not told of."""
        if word not in ("ALTER", "CREATE") or not own_tables.may_reach(sql):
            return self._execute(sql, params, word, position)
        before = self.trusted(own_tables.reach)
        result = self._execute(sql, params, word, position)
        if reached := self.trusted(own_tables.reach) - before:
            raise SldbError("forbidden", not_yours(min(reached)), self._authorizer.hint)
        return result

    def _execute(self, sql: str, params: Params, word: str, position: int) -> Result:
        self._authorizer.begin_statement(word)
        writes, prepares = False, 0
        cursor = self.connection.cursor()
        columns: list[Column] = []

        def prepared(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
            nonlocal writes, prepares
            prepares += 1
            if prepares > 1:  # what was looked at as one statement is several to SQLite
                raise SldbError("bad_request", f"query: {word} is followed by another statement, without a semicolon")
            if not (cursor.is_readonly or cursor.is_explain or self._authorizer.only_asks):
                if self._authorizer.attached_write:
                    raise _attached_is_read_only(self._authorizer.attached_write)
                if not self.may_write:
                    raise WriteNeeded(self._authorizer.doing or word)
                if not self.connection.in_transaction and word != "VACUUM":
                    raise _BeginNeeded
                self._pragmas.before_write(word)
                self.has_written = writes = True
                self._words.add(self._authorizer.row_action or word if word == "WITH" else word)
            if cursor.is_explain:
                self._authorizer.only_explains()
            columns.extend(Column(name, type_) for name, type_ in cursor.get_description())
            if writes and self.changes:
                self.changes.begin()
            return True

        cursor.exec_trace = prepared
        try:
            cursor.execute(sql, params)
            rows, stored = self._room.take(columns, cursor)
        finally:
            cursor.close(True)
        if writes and self.changes:
            self.changes.end(position)
        elif self.changes:
            self.changes.savepoint_passed()
        if word in ("ATTACH", "DETACH"):
            self._authorizer.attached = frozenset(name.lower() for name in self.connection.db_names()[2:])
        return self._result(tuple(columns), rows, stored)

    def _result(self, columns: tuple[Column, ...], rows: list[Row], stored: StoredRows | None) -> Result:
        if not self._authorizer.counts_rows:
            return Result(columns, rows, stored.count if stored else len(rows), stored=stored)
        is_insert = self._authorizer.row_action == "INSERT"
        lastrowid = self.connection.last_insert_rowid() if is_insert else None
        return Result(columns, rows, self.connection.changes(), lastrowid, stored)

    def _execute_own(self, sql: str) -> None:
        with self._authorizer.trusting():
            self.connection.execute(sql)


class _Step(NamedTuple):
    piece: script.Piece
    params: Params
    part: int  # position in the request's `statements`
    says_nothing: bool  # a BEGIN or COMMIT around it all


def _steps(statements: Sequence[Statement], check_time: Callable[[], None]) -> Iterator[_Step]:
    split = [list(script.split(statement.query, check_time)) for statement in statements]
    around = script.enclosing([piece.sql for pieces in split for piece in pieces])
    position = 0
    for part, (statement, pieces) in enumerate(zip(statements, split, strict=True)):
        if len(pieces) > 1 and isinstance(statement.params, tuple):
            raise SldbError(
                "bad_request",
                "params: got a list for several statements, want an object of names, or one statement",
                "use named parameters (:name), or send `statements` with params of their own",
            )
        check_time()
        around_own = around if len(split) == 1 else script.enclosing([piece.sql for piece in pieces])
        for own_position, piece in enumerate(pieces):
            yield _Step(piece, statement.params, part, position in around or own_position in around_own)
            position += 1


def _configure(connection: apsw.Connection, is_new: bool) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.limit(apsw.SQLITE_LIMIT_WORKER_THREADS, 0)
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, MOST_ATTACHED)
    if is_new:  # of a database that exists it would make the next VACUUM change the size
        connection.execute(f"PRAGMA page_size = {DEFAULT_PAGE_SIZE}")
    connection.execute("PRAGMA synchronous = FULL")


def timed_out(statement: int | None = None) -> SldbError:
    return SldbError(
        "query_timeout",
        "the request ran out of time and was stopped",
        "make it do less, give it more time (timeout), or the function: sldb deploy --timeout SECONDS",
        statement=statement,
        applied="no",
    )


def _attached_is_read_only(doing: str, statement: int | None = None) -> SldbError:
    return SldbError(
        "read_only",
        f"what is attached can only be read, and this would write to it: {doing}",
        "send what writes to that database as a request of its own, with `database` naming it",
        statement=statement,
        applied="no",
    )
