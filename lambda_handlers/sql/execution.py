"""Execution of one statement: SQLite prepares it, its effects are compared with the rights of the session, it runs, and
its rows go into the reply.

SQLite decides whether a statement writes, once it has prepared it: `_prepared` is called between the two, and an error
from it stops the statement before it runs. A read that turns out to have written counts as a write, too, so that none
is acknowledged without a commit: functions of virtual tables write (`SELECT optimize(t) FROM t` of FTS3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import apsw

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.sql.authorizer import Authorizer
from lambda_handlers.sql.chance import Chance
from lambda_handlers.sql.errors import attached_is_read_only
from lambda_handlers.sql.pragmas import Pragmas
from lambda_handlers.sql.reply_limit import ReplyRoom
from lambda_handlers.wire import Column, Params, Result, Row, SldbError, StoredRows

if TYPE_CHECKING:
    from lambda_handlers.insights.watch import StatementWatch
    from lambda_handlers.sql.changes import Changes
    from lambda_handlers.sql.parameters import ManyRuns
    from lambda_handlers.storage.draft import Draft
    from lambda_handlers.wire.digest import ResultDigest

_EXPLAIN = 1  # of `is_explain`; EXPLAIN QUERY PLAN is 2


@dataclass(frozen=True, slots=True)
class Mode:
    """The rights of a session."""

    may_write: bool
    may_commit: bool  # False: a dry run, which is always rolled back
    counts_changes: bool = False  # `Session.changes` shows what the statements did


READ = Mode(may_write=False, may_commit=False)
WRITE = Mode(may_write=True, may_commit=True)


class WriteNeeded(Exception):
    """The request writes, and its session may not. `doing` describes the statement, such as "INSERT users"."""

    def __init__(self, doing: str) -> None:
        super().__init__(doing)
        self.doing = doing


class BeginNeeded(Exception):
    """The statement writes, and there is no transaction yet."""


class Control(Exception):
    """The statement is BEGIN, COMMIT (END) or ROLLBACK, without a syntax error; it has not run."""

    def __init__(self, does: str) -> None:
        super().__init__(does)
        self.does = does


class Described(Exception):
    """The statement is only to be described; it is prepared, and has not run."""

    def __init__(self, cursor: apsw.Cursor) -> None:
        super().__init__()
        self.parameters = tuple(cursor.bindings_names)  # their names without the sign, None for a `?`
        self.columns = tuple(Column(name, type_) for name, type_ in cursor.get_description())
        self.is_explain = bool(cursor.is_explain)
        self.is_readonly = cursor.is_readonly


@dataclass(slots=True)
class Engine:
    """The parts of a session that its statements share."""

    connection: apsw.Connection
    authorizer: Authorizer
    pragmas: Pragmas
    chance: Chance
    room: ReplyRoom
    changes: Changes | None  # counts what statements change, in a session with that right
    draft: Draft
    may_write: bool
    digest: type[ResultDigest] | None = None  # of the results, if they are to be compared with those of another run
    joins: bool = True  # statements that write need an open transaction
    describes: bool = False  # statements are not run: each raises Described
    watch: StatementWatch | None = None  # counts what each statement takes
    written: set[str] = field(default_factory=set)  # the first words of the statements that wrote

    @property
    def is_writing(self) -> bool:
        """True if SQLite has a transaction open in which it may have changed pages."""
        return self.connection.txn_state("main") == apsw.SQLITE_TXN_WRITE


class Execution:
    """To be run once."""

    def __init__(
        self,
        engine: Engine,
        sql: str,
        params: Params,
        word: str,
        shows_lastrowid: bool = True,
        many: ManyRuns | None = None,
    ) -> None:
        """`word`: the first one of the statement. `many`: its runs, in place of the params."""
        self._engine = engine
        self._authorizer = engine.authorizer
        self._sql = sql
        self._params = params
        self._word = word
        self._many = many
        self._shows_lastrowid = shows_lastrowid
        self._digest = engine.digest() if engine.digest else None
        self._columns: list[Column] = []
        self._has_prepared = False
        self._prepared_sql = ""
        self.has_begun = False  # nothing has kept it from running
        self.has_ended = False  # without an error
        self.writes = False
        self.row_count = 0  # returned
        self._lists_code = False  # its rows have addresses in memory: no two runs have the same

    @property
    def has_prepared(self) -> bool:
        """True if SQLite has prepared the statement: an error after that is one of its execution."""
        return self._has_prepared

    def run(self, position: int) -> Result:
        """Return the result of the statement at a position of the request. Raises WriteNeeded, BeginNeeded, Control,
        Described, SldbError, and errors of SQLite."""
        engine = self._engine
        with engine.chance.of_statement():
            if engine.watch is None:
                return self._run(position)
            start = engine.watch.begin(engine.connection, self._sql, engine.authorizer)
            try:
                return self._run(position)
            finally:
                engine.watch.end(engine.connection, self._sql, self, start)

    def _run(self, position: int) -> Result:
        self._authorizer.begin_statement(self._word)
        was_writing = self._engine.is_writing
        cursor = self._engine.connection.cursor()
        cursor.exec_trace = self._prepared
        try:
            self._execute(cursor)
            passing = self._digest.passing(cursor) if self._digest and not self._lists_code else cursor
            rows, stored = self._engine.room.take(self._columns, passing)
            self.row_count = stored.count if stored else len(rows)
        except (apsw.BindingsError, KeyError):
            self._check_params(cursor.bindings_names)
            raise
        except apsw.ConstraintError:
            if self.writes and self._engine.changes:
                self._engine.changes.failed(position)
            raise
        finally:
            cursor.close(True)
        self._check_hidden_write(was_writing)
        self._count_changes(position)
        if self._word in ("ATTACH", "DETACH"):
            names = self._engine.connection.db_names()[2:]
            self._authorizer.attached = frozenset(name.lower() for name in names)
        return self._result(rows, stored)

    def _execute(self, cursor: apsw.Cursor) -> None:
        if self._many is None:
            cursor.execute(self._sql, _any_params() if self._engine.describes else self._params)
            return
        for _ in cursor.executemany(self._sql, self._many):
            pass  # the rows of RETURNING

    def _check_params(self, names: Sequence[str | None]) -> None:
        """Raise `bad_request` if the parameters of the statement are the reason of an error."""
        from lambda_handlers.sql.parameters import mismatch  # few requests need it, and imports slow down cold starts

        error = mismatch(names, self._many.values if self._many else self._params)
        if error is not None:
            raise error from None

    def _prepared(self, cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
        if self._has_prepared and self._many and sql == self._prepared_sql:
            return True
        if self._has_prepared:  # SQLite splits the script differently
            message = f"query: {self._word} is followed by another statement, without a semicolon"
            raise SldbError("bad_request", message)
        self._has_prepared, self._prepared_sql = True, sql
        self._authorizer.end_preparing()
        if self._engine.describes:
            raise Described(cursor)
        if self._authorizer.transaction and not cursor.is_explain:
            raise Control(self._authorizer.transaction)
        if not (cursor.is_readonly or cursor.is_explain or self._authorizer.only_reads):
            self._begin_writing()
        self._lists_code = cursor.is_explain == _EXPLAIN
        if cursor.is_explain:
            self._authorizer.only_explains()
        if self._many is None:
            self._columns.extend(Column(name, type_) for name, type_ in cursor.get_description())
        elif not (self.writes and self._authorizer.counts_rows):
            self._refuse_many()
        if self.writes and self._engine.changes:
            self._engine.changes.begin(self._rowcount)
        self.has_begun = True
        return True

    def _refuse_many(self) -> None:
        from lambda_handlers.sql.parameters import refuse_others

        refuse_others()

    def _rowcount(self) -> int:
        return self._many.rowcount if self._many else self._engine.connection.changes()

    def _begin_writing(self) -> None:
        """Raise unless the statement may write now."""
        engine, word = self._engine, self._word
        if self._authorizer.attached_write:
            raise attached_is_read_only(self._authorizer.attached_write)
        if not engine.may_write:
            raise WriteNeeded(self._authorizer.doing or word)
        if engine.joins and not engine.connection.in_transaction and word != "VACUUM":
            raise BeginNeeded
        engine.pragmas.before_write(word)
        self.writes = True
        engine.written.add(self._authorizer.row_action or word if word == "WITH" else word)

    def _check_hidden_write(self, was_writing: bool) -> None:
        """Count a read that has written as a write. Raises WriteNeeded in a session without the right."""
        engine = self._engine
        if engine.written or not (engine.draft.has_inner_commits or (engine.is_writing and not was_writing)):
            return
        if not engine.may_write:
            raise WriteNeeded(self._word)
        engine.written.add(self._word)

    def _count_changes(self, position: int) -> None:
        changes = self._engine.changes
        if changes and self.writes:
            changes.end(position)
        elif changes:
            changes.savepoint_passed()

    def _result(self, rows: list[Row], stored: StoredRows | None) -> Result:
        columns, lastrowid = tuple(self._columns), None
        rowcount = self.row_count
        if self._authorizer.counts_rows:
            rowcount = self._rowcount()
            if self._shows_lastrowid and self._authorizer.row_action == "INSERT":
                lastrowid = self._engine.connection.last_insert_rowid()
        digest = self._digest.end(columns, rowcount, lastrowid) if self._digest else None
        self.has_ended = True
        return Result(columns, rows, rowcount, lastrowid, stored, digest)


def digest_of_results() -> type[ResultDigest]:
    from lambda_handlers.wire.digest import ResultDigest  # few requests need it, and imports slow down cold starts

    return ResultDigest


def changes_of(connection: apsw.Connection, authorizer: Authorizer) -> Changes:
    from lambda_handlers.sql.changes import Changes  # likewise

    return Changes(connection, authorizer)


def _any_params() -> Any:
    return apsw._null_bindings  # type: ignore[attr-defined]  # what apsw.ext itself prepares statements with
