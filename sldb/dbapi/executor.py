"""The execution of a cursor's statements in the session of its connection.

SQLite's state of a connection is kept here, since a request has one of its own: BEGIN, COMMIT and savepoints over
several requests, the implicit BEGIN of the module sqlite3, settings that last, and the rowid of the last INSERT.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from lambda_handlers.wire import Bound, Column, Result, Row, Statement
from sldb import sql_text
from sldb.dbapi.adapting import Parameters, binder, bound
from sldb.dbapi.batches import batches
from sldb.dbapi.errors import OperationalError, ProgrammingError
from sldb.dbapi.kinds import Kind, is_insert, kind_of, lasting_setting, only_statement
from sldb.transaction_control import is_outermost

if TYPE_CHECKING:
    from sldb.dbapi.session import Session

LEGACY_TRANSACTION_CONTROL = -1

_LAST_ROWID = Statement("SELECT last_insert_rowid()")
_CONTROLS = frozenset((Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.SAVEPOINT, Kind.RELEASE, Kind.ROLLBACK_TO))


class Receiver(Protocol):
    """A cursor: it takes the results of its statements."""

    def show(self, columns: tuple[Column, ...], rows: Iterator[Row], *, rowcount: int, stats: dict[str, Any]) -> None:
        """Take the result of a statement."""

    def take_rowid(self, rowid: int) -> None:
        """Take the rowid of the last INSERT."""


class Executor:
    def __init__(self, session: Session) -> None:
        self._session = session
        self.isolation_level: str | None = ""
        self.autocommit: bool | int = LEGACY_TRANSACTION_CONTROL
        self.total_changes = 0
        self._inserter: weakref.ref[Receiver] | None = None  # whose INSERT is the last one of the open transaction

    @property
    def is_always_inside(self) -> bool:
        """True: a transaction is open even before its first statement (PEP 249)."""
        return self.autocommit is False

    def execute(self, cursor: Receiver, sql: str, parameters: Parameters) -> None:
        statement = only_statement(sql)
        kind = kind_of(statement)
        if kind in _CONTROLS:
            self._control(kind, statement)
        elif statement:
            params = bound(statement, parameters)
            self._begin_if_due(kind)
            result = self._run(cursor, [Statement(statement, params)])[0]
            self._show(cursor, kind, result)
            if not self._session.in_transaction or kind is not Kind.CHANGE:
                self._remember(statement, params)

    def execute_many(self, cursor: Receiver, sql: str, many: Iterable[Parameters]) -> None:
        statement = only_statement(sql)
        if kind_of(statement) is not Kind.CHANGE:
            raise ProgrammingError("executemany() can only execute statements that change rows")
        pieces = list(batches(map(binder(statement), many)))
        self._begin_if_due(Kind.CHANGE)
        rowcount = 0
        with self._together(pieces):
            for piece in pieces:
                rowcount += sum(result.rowcount for result in self._run(cursor, [Statement(statement, piece)]))
        self.total_changes += rowcount
        cursor.show((), iter(()), rowcount=rowcount, stats=self._session.stats)

    def execute_script(self, script: str) -> None:
        if not isinstance(script, str):
            raise TypeError(f"a script must be str, and is {type(script).__name__}")
        if not self.is_always_inside:
            self.commit()
        pending: list[Statement] = []
        for statement in sql_text.list_statements(script):
            kind = kind_of(statement)
            if kind not in _CONTROLS:
                pending.append(Statement(statement))
                continue
            self._run_script(pending)
            self._control(kind, statement)
        self._run_script(pending)

    def _run_script(self, pending: list[Statement]) -> None:
        if pending:
            self._begin_if_inside()
            for result in self._session.run(pending):
                self.total_changes += 0 if result.columns else result.rowcount
            for statement in pending:
                self._remember(statement.query, None)
            pending.clear()

    # Transactions

    def commit(self) -> None:
        """Commit the open transaction, if there is one; a rowid that was not asked for is that of the commit."""
        inserter = self._inserter() if self._inserter is not None else None
        results = self._session.commit(() if inserter is None else [_LAST_ROWID])
        self._inserter = None
        if inserter is not None and results:
            inserter.take_rowid(_only_value(results[-1]))

    def _begin_if_due(self, kind: Kind) -> None:
        is_implicit = self.autocommit == LEGACY_TRANSACTION_CONTROL and self.isolation_level is not None
        if is_implicit and kind is Kind.CHANGE and not self._session.in_transaction:
            self._session.begin()
        self._begin_if_inside()

    def _begin_if_inside(self) -> None:
        if self.is_always_inside and not self._session.in_transaction:
            self._session.begin()

    @contextmanager
    def _together(self, pieces: Sequence[object]) -> Iterator[None]:
        """Have several requests outside of a transaction be one, so that all of it is applied or nothing."""
        if self._session.in_transaction or len(pieces) < 2:
            yield
            return
        self._session.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    def _control(self, kind: Kind, statement: str) -> None:
        if kind is Kind.BEGIN:
            self._begin()
        elif kind is Kind.COMMIT:
            self._require_transaction("commit")
            self.commit()
        elif kind is Kind.ROLLBACK:
            self._require_transaction("rollback")
            self.rollback()
        else:
            self._savepoint(kind, statement)

    def _begin(self) -> None:
        if self._session.in_transaction or self.is_always_inside:
            raise OperationalError("cannot start a transaction within a transaction")
        self._session.begin()

    def _require_transaction(self, doing: str) -> None:
        if not self._session.in_transaction and not self.is_always_inside:
            raise OperationalError(f"cannot {doing} - no transaction is active")

    def _savepoint(self, kind: Kind, statement: str) -> None:
        self._begin_if_inside()
        if kind is Kind.SAVEPOINT and not self._session.in_transaction:
            self._session.begin(is_savepoint=True)
        transaction = self._session.open
        is_last = (
            kind is Kind.RELEASE
            and transaction is not None
            and transaction.is_savepoint
            and is_outermost(statement, transaction.savepoints)
        )
        self._session.run([Statement(statement)])
        if is_last:
            self.commit()
        elif transaction is not None:
            transaction.savepoints.append(statement)

    # Results

    def _run(self, cursor: Receiver, statements: Sequence[Statement]) -> Sequence[Result]:
        """Return the results of statements; before an INSERT, ask for the rowid of another cursor's, if it is owed."""
        inserts = is_insert(statements[-1].query) if statements else False
        owed = self._inserter() if self._inserter is not None and self._session.in_transaction and inserts else None
        if owed is None or owed is cursor:
            results = self._session.run(statements) if statements else ()
        else:
            rowid, *results = self._session.run(statements, before=[_LAST_ROWID])
            owed.take_rowid(_only_value(rowid))
        if inserts and self._session.in_transaction:
            self._inserter = weakref.ref(cursor)
        return results

    def _show(self, cursor: Receiver, kind: Kind, result: Result) -> None:
        rowcount = result.rowcount if kind is Kind.CHANGE else -1
        self.total_changes += max(rowcount, 0)
        rows = self._session.rows_of(result)
        cursor.show(result.columns, rows, rowcount=rowcount, stats=self._session.stats)
        if result.lastrowid is not None:
            cursor.take_rowid(result.lastrowid)

    def rollback(self) -> None:
        self._inserter = None
        self._session.rollback()

    def rowid_of(self, cursor: Receiver) -> None:
        """Give a cursor the rowid of its last INSERT, if it may have changed and was not asked for."""
        if self._inserter is not None and self._inserter() is cursor:
            self._inserter = None
            cursor.take_rowid(_only_value(self._session.run([_LAST_ROWID])[0]))

    def _remember(self, statement: str, params: Bound) -> None:
        found = lasting_setting(statement)
        if found is not None:
            name, kept = found
            self._session.remember(name, kept and Statement(kept.query, params))


def _only_value(result: Result) -> Any:
    return result.rows[0][0]
