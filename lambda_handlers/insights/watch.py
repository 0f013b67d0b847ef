"""The watch over the statements of a container: the figures of each shape in a request, for its line in the log.

    "statements": [{"shape": "SELECT name FROM users WHERE id = ?", "calls": 1, "ms": 0.2, "rows": 1, "vm_steps": 9}]

The list has the shapes of the statements that ran, and figures; never a literal, a value or a message. Statements that
SQLite refused to prepare are not in it. A statement that runs again (in a request that turns out to need the lock, or
at a COMMIT that runs its transaction) is counted each time. SQLite's own counters are those of
https://www.sqlite.org/c3ref/c_stmtstatus_counter.html; they include what it prepares while the statement runs.

One request runs at a time. Its figures wait for the thread that it ran in, which writes the line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from operator import add
from typing import Any, NamedTuple, Protocol

import apsw

from lambda_handlers.insights.shape import shape_of

MAX_SHAPES = 40  # of a request; further ones are counted in `statements_left_out`
Authorize = Callable[[int, str | None, str | None, str | None, str | None], int]
Line = dict[str, Any]

_NAMES = (apsw.SQLITE_READ, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE)  # of tables and columns
_DIGITS = 3  # of milliseconds


class Store(Protocol):
    """The counters of the store."""

    requests: int
    writes: int
    bytes_in: int


class Running(Protocol):
    """A statement under way."""

    has_begun: bool  # SQLite has prepared it, and nothing has kept it from running
    has_ended: bool  # without an error
    writes: bool
    row_count: int  # returned


class Figures(NamedTuple):
    """The use of time, pages and store by the statements of one shape in a request."""

    calls: int
    failed: int
    writes: int  # calls that wrote
    ms: float
    max_ms: float
    rows: int  # returned
    changes: int  # rows
    vm_steps: int  # of SQLite's virtual machine
    scan_steps: int  # rows read in a scan of a whole table
    auto_index_rows: int  # of indexes made for one run
    store_requests: int
    store_writes: int
    bytes_in: int

    def plus(self, other: Figures) -> Figures:
        return Figures(*map(add, self, other))._replace(max_ms=max(self.max_ms, other.max_ms))

    def encode(self, shape: str) -> dict[str, Any]:
        """Return the fields that are not 0."""
        return {"shape": shape, **{name: value for name, value in zip(Figures._fields, self, strict=True) if value}}


class Start(NamedTuple):
    """The counters at the start of a statement."""

    now: float
    changes: int
    requests: int
    writes: int
    bytes_in: int


class StatementWatch:
    def __init__(self, now: Callable[[], float], store: Store, keep: Callable[[Line], None] | None = None) -> None:
        """`keep` takes the lines of requests; without it, `take` returns what belongs into the lines of the log."""
        self._now = now
        self._store = store
        self._keep = keep
        self._seen: dict[str, Figures] = {}
        self._left_out = 0
        self._names: list[tuple[str | None, str | None]] = []  # looked up by SQLite for the statement
        self._authorize: Authorize | None = None  # of the connection, while the names are noted
        self._steps = [0, 0, 0]  # of its virtual machine, of scans, of automatic indexes
        self._waiting = threading.local()

    def begin_request(self) -> None:
        self._seen.clear()
        self._left_out = 0

    def end_request(self, database: str, seconds: float) -> None:
        """Keep the figures of a request, whether it has succeeded or not."""
        if self._seen and self._keep:
            self._keep({"database": database, "ms": round(seconds * 1000, _DIGITS), **self._encode([])})
        elif self._seen:
            before = getattr(self._waiting, "line", None)
            self._waiting.line = self._encode(before["statements"] if before else [])

    def take(self) -> Line:
        """Return the fields for the line of the requests that this thread has run since the last time."""
        line: Line | None = getattr(self._waiting, "line", None)
        self._waiting.line = None
        return line or {}

    def begin(self, connection: apsw.Connection, sql: str, authorize: Authorize) -> Start:
        """Begin to count for a statement of the connection, which has this authorizer."""
        if '"' in sql:
            self._note_names(connection, authorize)
        self._steps = [0, 0, 0]
        # Only while it runs: SQLite asks for the time at both ends of each statement then, in Python.
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._profile)
        store = self._store
        return Start(self._now(), connection.total_changes(), store.requests, store.writes, store.bytes_in)

    def _note_names(self, connection: apsw.Connection, authorize: Authorize) -> None:
        """Note the names that SQLite looks up from now on, for double-quoted tokens."""
        names: list[tuple[str | None, str | None]] = []
        self._names = names

        def noting(action: int, one: str | None, two: str | None, schema: str | None, trigger: str | None) -> int:
            if action in _NAMES:
                names.append((one, two))
            return authorize(action, one, two, schema, trigger)

        connection.authorizer, self._authorize = noting, authorize

    def end(self, connection: apsw.Connection, sql: str, running: Running, start: Start) -> None:
        """Count the statement, if it has begun."""
        connection.trace_v2(0, None)
        if self._authorize is not None:
            connection.authorizer, self._authorize = self._authorize, None
        if not running.has_begun or (shape := self._shape(sql)) is None:
            return
        ms, store, steps = round((self._now() - start.now) * 1000, _DIGITS), self._store, self._steps
        figures = Figures(
            1,
            int(not running.has_ended),
            int(running.writes),
            ms,
            ms,
            running.row_count,
            connection.total_changes() - start.changes,
            steps[0],
            steps[1],
            steps[2],
            store.requests - start.requests,
            store.writes - start.writes,
            store.bytes_in - start.bytes_in,
        )
        before = self._seen.get(shape)
        if before is not None:
            self._seen[shape] = before.plus(figures)
        elif len(self._seen) < MAX_SHAPES:
            self._seen[shape] = figures
        else:
            self._left_out += 1

    def _shape(self, sql: str) -> str | None:
        if '"' not in sql:
            return shape_of(sql)
        return shape_of(sql, {name.lower() for names in self._names for name in names if name})

    def _encode(self, before: list[dict[str, Any]]) -> Line:
        statements = before + [figures.encode(shape) for shape, figures in self._seen.items()]
        left_out = self._left_out + len(statements[MAX_SHAPES:])
        line = {"statements": statements[:MAX_SHAPES]}
        return {**line, "statements_left_out": left_out} if left_out else line

    def _profile(self, event: Mapping[str, Any]) -> None:
        status, steps = event["stmt_status"], self._steps
        steps[0] += status["SQLITE_STMTSTATUS_VM_STEP"]
        steps[1] += status["SQLITE_STMTSTATUS_FULLSCAN_STEP"]
        steps[2] += status["SQLITE_STMTSTATUS_AUTOINDEX"]
