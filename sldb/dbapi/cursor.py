"""The cursor of PEP 249."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeAlias, TypeVar

from lambda_handlers.wire import Column, Row
from sldb.dbapi.adapting import Parameters, converted, converter_of, shown_name
from sldb.dbapi.errors import InterfaceError, ProgrammingError
from sldb.dbapi.executor import Executor

T = TypeVar("T")
Description: TypeAlias = "tuple[str, str | None, None, None, None, None, None]"
RowFactory: TypeAlias = "Callable[[Cursor, tuple[Any, ...]], Any]"


ARROW_ROWS = 65_536  # of a record batch
_LIST_ITERATOR: type = type(iter([]))  # safe for threads, without a lock


class Owner(Protocol):
    """The connection of a cursor."""

    is_closed: bool
    detect_types: int
    row_factory: RowFactory | None
    text_factory: Callable[[bytes], Any] | type[str]

    def check_open(self) -> None:
        """Raise ProgrammingError if the connection is closed."""

    def call(self, function: Callable[[Executor], T]) -> T:
        """Return the result of a function, called while no other thread uses the connection."""


class Cursor:
    """Rows of the last statement, as they were when it ran: other statements change none of them."""

    _is_closed = True  # of a subclass that does not call __init__

    def __init__(self, connection: Owner, /) -> None:
        self._connection = connection
        self._is_closed = False
        self._rows: Iterator[Any] | None = None  # None: the last statement has none
        self._ready: Iterator[Any] | None = None  # the same, if nothing is left to be done for a row
        self._lastrowid: int | None = None
        self._columns: tuple[Column, ...] = ()
        self.arraysize = 1
        self.rowcount = -1
        self.row_factory: RowFactory | None = connection.row_factory
        self.stats: dict[str, Any] = {}  # of the last statement: requests to the store, ms, …

    @property
    def connection(self) -> Any:
        return self._connection

    @property
    def description(self) -> tuple[Description, ...] | None:
        """Name and declared type of each column; None if the last statement has no rows."""
        if not self._columns:
            return None
        detect = self._connection.detect_types
        return tuple(
            (shown_name(column, detect), column.type, None, None, None, None, None) for column in self._columns
        )

    @property
    def lastrowid(self) -> int | None:
        """The rowid of the last row inserted by this cursor.

        Inside a transaction it is asked for here: COMMIT makes sure of it, so that two transactions with such questions
        about one table conflict."""
        if not self._connection.is_closed:
            self._connection.call(lambda executor: executor.rowid_of(self))
        return self._lastrowid

    def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        """Run one statement. Raises Error."""
        self._check_open()
        self._reset()
        self._connection.call(lambda executor: executor.execute(self, sql, parameters))
        return self

    def executemany(self, sql: str, many: Iterable[Parameters], /) -> Cursor:
        """Run one INSERT, UPDATE or DELETE with each of the parameters: in one request while they fit into one, and
        all of them or none outside of a transaction. Raises Error."""
        self._check_open()
        self._reset()
        self._connection.call(lambda executor: executor.execute_many(self, sql, many))
        return self

    def executescript(self, script: str, /) -> Cursor:
        """Commit an open transaction, and run all statements of a script. Raises Error."""
        self._check_open()
        self._reset()
        self._connection.call(lambda executor: executor.execute_script(script))
        return self

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        return next(self, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows, by default `arraysize` of them."""
        return self._fetch(self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        """Return all other rows."""
        return self._fetch(None)

    def fetch_arrow(self, size: int = ARROW_ROWS) -> Any:
        """Return all other rows as a `pyarrow.RecordBatchReader`: it fetches batches of so many rows, one at a time.
        Raises NotSupportedError without pyarrow (the extra `parquet`), DataError for a column of several types."""
        from sldb.dbapi import arrow

        if self.row_factory is not None:
            raise InterfaceError("fetch_arrow has batches of columns: it takes no row_factory")
        self._rows_of_result()
        detect = self._connection.detect_types
        converted = [converter_of(column, detect) is not None for column in self._columns]
        return arrow.reader(self._columns, converted, lambda: self._fetch(size))

    def __iter__(self) -> Cursor:
        return self

    def __next__(self) -> Any:
        if self._ready is not None and not (self._is_closed or self._connection.is_closed):
            return next(self._ready)
        for row in self._fetch(1):
            return row
        raise StopIteration

    def close(self) -> None:
        """Forget the rows. The cursor is of no use after that."""
        self._is_closed, self._rows, self._ready = True, None, None

    def setinputsizes(self, sizes: Sequence[Any], /) -> None:
        """Do nothing: SQLite needs no sizes."""

    def setoutputsize(self, size: int, column: int | None = None, /) -> None:
        """Do nothing: SQLite needs no sizes."""

    # For the connection

    def take_rowid(self, rowid: int) -> None:
        self._lastrowid = rowid

    def show(self, columns: tuple[Column, ...], rows: Iterator[Row], *, rowcount: int, stats: dict[str, Any]) -> None:
        """Take the result of a statement."""
        self.rowcount, self.stats = rowcount, stats
        self._columns = columns
        if columns:
            self._rows = self._made(rows)
            self._ready = self._rows if isinstance(self._rows, _LIST_ITERATOR) else None

    def _made(self, rows: Iterator[Row]) -> Iterator[Any]:
        """Return the rows as the program wants them, each made as it is fetched."""
        detect, factory, text = self._connection.detect_types, self.row_factory, self._connection.text_factory
        converters = [converter_of(column, detect) for column in self._columns]
        if any(converters) or text is not str:

            def value(given: Any, converter: Any) -> Any:
                if converter is not None:
                    return converted(given, converter)
                return text(given.encode()) if isinstance(given, str) and text is not str else given

            rows = (tuple(map(value, row, converters)) for row in rows)
        return rows if factory is None else (factory(self, row) for row in rows)

    def _fetch(self, count: int | None) -> list[Any]:
        self._check_open()
        return self._connection.call(lambda _: self._next_rows(count))

    def _next_rows(self, count: int | None) -> list[Any]:
        try:
            return list(islice(self._rows_of_result(), count))
        except Exception as error:
            if self._rows is not None:
                self._rows = _broken(error)
            raise

    def _rows_of_result(self) -> Iterator[Any]:
        if self._rows is None:
            raise InterfaceError("the last statement of this cursor has no rows")
        return self._rows

    def _reset(self) -> None:
        self._rows, self._ready, self._columns, self.rowcount = None, None, (), -1

    def _check_open(self) -> None:
        if self._is_closed:
            raise ProgrammingError("cannot operate on a closed cursor")
        self._connection.check_open()


def _broken(error: Exception) -> Iterator[Any]:
    """Return an iterator that raises an error for every row: what comes after one is no end of the rows."""

    def fail() -> Any:
        raise InterfaceError("the rows behind an error cannot be read: execute the statement again") from error

    return iter(fail, None)
