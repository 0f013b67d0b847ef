"""The connection of PEP 249, with the additions of the module sqlite3 and those of sldb."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lambda_handlers.wire import SldbError, Statement
from sldb.dbapi import errors
from sldb.dbapi.adapting import Parameters
from sldb.dbapi.cursor import Cursor, RowFactory
from sldb.dbapi.errors import Error, ProgrammingError, exception_of
from sldb.dbapi.executor import LEGACY_TRANSACTION_CONTROL, Executor
from sldb.dbapi.session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from sldb.client import Client

T = TypeVar("T")

ISOLATION_LEVELS = ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")
MAX_TRIES = 10  # of `run`
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.05, 5.0


class Attempt:
    """One try of a transaction."""

    def __init__(self, number: int, tries: int) -> None:
        import random

        self._is_last = number == tries
        pause = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (number - 1))
        self.pause_seconds = pause * random.uniform(0.5, 1.0)  # before the next one

    def may_retry(self, error: BaseException) -> bool:
        return isinstance(error, Error) and error.retryable and not self._is_last


def retries(tries: int) -> Iterator[Attempt]:
    return (Attempt(number, tries) for number in range(1, tries + 1))


class Connection:
    """Threads may share it: each call runs alone. They then share its transaction, too."""

    Warning, Error, InterfaceError = errors.Warning, errors.Error, errors.InterfaceError
    DatabaseError, DataError, OperationalError = errors.DatabaseError, errors.DataError, errors.OperationalError
    IntegrityError, InternalError = errors.IntegrityError, errors.InternalError
    ProgrammingError, NotSupportedError = errors.ProgrammingError, errors.NotSupportedError

    is_closed = True  # of a subclass that does not call __init__

    def __init__(
        self,
        client: Client,
        *,
        isolation_level: str | None = "",
        autocommit: bool | int = LEGACY_TRANSACTION_CONTROL,
        detect_types: int = 0,
        foreign_keys: bool | None = None,
        timeout: float | None = None,
        read_only: bool = False,
        create: bool = False,
        at: int | str | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """Take a client; `connect` makes one. `on_close`: what ends it."""
        self._session = Session(client, at=at, read_only=read_only, timeout=timeout, creates=create)
        self._executor = Executor(self._session)
        self._lock = threading.RLock()
        self.is_closed = False
        self._on_close = on_close
        self.detect_types = detect_types
        self.row_factory: RowFactory | None = None
        self.text_factory: Callable[[bytes], Any] | type[str] = str
        self.isolation_level = isolation_level
        self.autocommit = autocommit
        if foreign_keys is not None:
            self._session.remember("FOREIGN_KEYS", Statement(f"PRAGMA foreign_keys = {int(foreign_keys)}"))

    # Transactions

    @property
    def isolation_level(self) -> str | None:
        """The kind of BEGIN before a statement that changes rows, while `autocommit` is LEGACY_TRANSACTION_CONTROL;
        None: no BEGIN. All kinds do the same: transactions are serializable, and no statement takes a lock."""
        return self._executor.isolation_level

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        if level is not None and not isinstance(level, str):
            raise TypeError("isolation_level must be a string or None")
        if level is not None and str.upper(level) not in ISOLATION_LEVELS:
            raise ValueError("isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'")
        self._executor.isolation_level = level
        if level is None:
            self.commit()

    @property
    def autocommit(self) -> bool | int:
        """True: each statement is a transaction of its own. False: there is always one, which `commit` and `rollback`
        end (PEP 249). LEGACY_TRANSACTION_CONTROL: `isolation_level` decides."""
        return self._executor.autocommit

    @autocommit.setter
    def autocommit(self, value: bool | int) -> None:
        if value not in (True, False, LEGACY_TRANSACTION_CONTROL):
            raise ValueError("autocommit must be True, False, or sldb.LEGACY_TRANSACTION_CONTROL")
        if value is True:
            self.commit()
        self._executor.autocommit = value

    @property
    def in_transaction(self) -> bool:
        return self._session.in_transaction or self._executor.is_always_inside

    @property
    def total_changes(self) -> int:
        """The number of rows inserted, updated or deleted by this connection."""
        return self._executor.total_changes

    def commit(self) -> None:
        """Commit the open transaction, if there is one. Raises OperationalError, `retryable` if other writers have
        changed its results."""
        self._call(self._executor.commit)

    def begin(self) -> None:
        """Begin a transaction; nothing is sent. Raises ProgrammingError if one is open."""
        if self._session.in_transaction:
            raise ProgrammingError("a transaction is open: commit it or roll it back first")
        self._call(self._session.begin)

    def rollback(self) -> None:
        """Give the open transaction up, if there is one."""
        self._call(self._executor.rollback)

    def run(self, function: Callable[[Connection], T], *, tries: int = MAX_TRIES) -> T:
        """Call a function with this connection, inside a transaction; commit, or roll back if it raises an exception,
        and return its result. If other writers came first, all of that is done again, after
        a pause: the function may be called several times. Raises what it raises, and Error."""
        if self._session.in_transaction:
            raise ProgrammingError("run begins a transaction: commit or roll back the open one first")
        for attempt in retries(tries):
            try:
                return self._run_once(function)
            except Error as error:
                if not attempt.may_retry(error):
                    raise
            time.sleep(attempt.pause_seconds)
        raise ProgrammingError("tries must be at least 1")

    def _run_once(self, function: Callable[[Connection], T]) -> T:
        with self._lock:
            self.check_open()
            self._session.begin()
            try:
                result = function(self)
                self._executor.commit()
            except BaseException:
                self._executor.rollback()
                raise
            return result

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        """Commit after a block without an exception, else roll back. The connection stays open."""
        if kind is None:
            self._commit_or_roll_back()
        else:
            self.rollback()
        return False

    def _commit_or_roll_back(self) -> None:
        try:
            self.commit()
        except Error as error:
            if error.applied != "unknown":
                self.rollback()
            raise

    # Statements

    def cursor(self, factory: Callable[[Connection], Cursor] = Cursor) -> Cursor:
        self.check_open()
        cursor = factory(self)
        if not isinstance(cursor, Cursor):
            raise TypeError(f"factory must return a cursor, not {type(cursor).__name__}")
        if self.row_factory is not None:
            cursor.row_factory = self.row_factory
        return cursor

    def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        """Run a statement by a new cursor, and return that."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, many: Iterable[Parameters], /) -> Cursor:
        return self.cursor().executemany(sql, many)

    def executescript(self, script: str, /) -> Cursor:
        return self.cursor().executescript(script)

    def interrupt(self) -> None:
        """Have the running statement stopped, from another thread: it raises OperationalError there."""
        self.check_open()
        self._session.interrupt()

    def close(self) -> None:
        """End the connection. An open transaction is given up. A second call does nothing."""
        if self.is_closed:
            return
        with self._lock:
            self._session.rollback()
            self.is_closed = True
            if self._on_close is not None:
                self._on_close()

    # Beyond PEP 249

    @property
    def client(self) -> Client:
        return self._session.client

    @property
    def txid(self) -> int | None:
        """The newest transaction known here: of the last commit or read; None before these."""
        return self._session.txid

    def at(self, moment: int | str) -> Connection:
        """Return a connection to read the database as it was at a moment: a txid, or an RFC 3339 time."""
        self.check_open()
        past = Connection(self.client, detect_types=self.detect_types, read_only=True, at=moment)
        past.row_factory, past.text_factory = self.row_factory, self.text_factory
        return past

    def history(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest transactions, the newest first, as the action `history` reports them."""
        return list(self._act("history", limit=limit)["transactions"])

    def branch(self, name: str, at: int | str | None = None) -> dict[str, Any]:
        """Make another database with the state of this one, by default the newest, and return the reply."""
        return self._act("branch", **{"as": name, "at": at})

    def _act(self, action: str, **arguments: Any) -> dict[str, Any]:
        try:
            return self._call(lambda: self.client.act(action, **arguments))
        except SldbError as error:
            raise exception_of(error) from error

    def _call(self, function: Callable[[], T]) -> T:
        with self._lock:
            self.check_open()
            return function()

    # For cursors

    def call(self, function: Callable[[Executor], T]) -> T:
        with self._lock:
            self.check_open()
            return function(self._executor)

    def check_open(self) -> None:
        """Raise ProgrammingError if the connection is closed."""
        if self.is_closed:
            raise ProgrammingError("cannot operate on a closed connection")
