"""The snapshot: a database of any size, read at one transaction through replies of limited size.

The first request determines the transaction; all others read that one, so that writers do not change the rows. Rows
are read in pages: of a table by its key, of anything else by LIMIT and OFFSET. SQLite returns the same data in the same
order every time (except for a query with random() or the clock). The number of rows of a page follows from the size of
the page before. A row too large for one reply is read value by value, and a value too large in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lambda_handlers.wire import Bound, Column, Reply, Request, Result, Row, SldbError, Statement, Value
from sldb.client import Client
from sldb.progress.protocol import SILENT, Progress

PAGE_BYTES = 3_600_000  # as JSON; a reply of 6 MB has room for 4.5 MB of rows
PIECE_BYTES = 1_000_000
FIRST_ROWS, FEW_ROWS, MAX_ROWS = 200, 5_000, 50_000  # of a page
_GROWTH = 10  # factor by which the number of rows may grow from page to page
_SAMPLE_ROWS = 50  # their size is taken for that of all
_NUMBER_BYTES = 26


class Scan(Protocol):
    """A scan: rows that are read in pages."""

    def page(self, position: Row, limit: int) -> Statement:
        """Return the statement for the next rows after `position`, which is () at the start."""

    def position(self, before: Row, rows: Sequence[Row]) -> Row:
        """Return the position at the end of the page of `rows`, which began after `before`."""


@dataclass(frozen=True, slots=True)
class QueryScan:
    """A scan of a SELECT."""

    query: str

    def page(self, position: Row, limit: int) -> Statement:
        # A sum, so that SQLite does not plan by the number: every page must have the same order.
        return Statement(f"SELECT * FROM (\n{self.query}\n) LIMIT 0+{limit} OFFSET {_offset(position)}")

    def position(self, before: Row, rows: Sequence[Row]) -> Row:
        return (_offset(before) + len(rows),)


def _offset(position: Row) -> int:
    return int(position[0] or 0) if position else 0


class Snapshot:
    """A database as of one transaction."""

    def __init__(self, client: Client, at: int | str | None = None, progress: Progress = SILENT) -> None:
        """Find the transaction. Raises SldbError, as every method. `at`: a txid or a time of the wire; None: now.
        `progress` gets the number of rows that were read."""
        self._client = client
        self.progress = progress
        self.database = client.database
        self._at = at
        reply = self._send(Statement("PRAGMA encoding"))
        self.encoding = str(reply.last.rows[0][0])
        self.txid = reply.txid
        self.time = reply.time  # of that transaction, RFC 3339 in UTC; None: not requested, or not in the reply
        # Before the first write there is no transaction, and nothing to read.
        self._at = reply.txid or None
        self.requests = 1

    def rows(self, sql: str) -> list[Row]:
        """Return all rows of a SELECT with few rows."""
        return [row for page in self.scan(QueryScan(sql), FEW_ROWS) for row in page]

    def columns(self, query: str) -> tuple[Column, ...]:
        """Return the columns of a SELECT. Raises `sql_error` for any other statement."""
        return self._query(QueryScan(query).page((), 0)).columns

    def result(self, query: str) -> Result:
        """Return the result of a statement without pages (PRAGMA, EXPLAIN). It must fit into one reply."""
        self.requests += 1
        reply = self._send(Statement(query))
        if len(reply.results) != 1 or not reply.columns:
            raise SldbError("bad_request", "the query must be one statement that returns rows", query=query)
        return reply.last

    def scan(self, scan: Scan, first_rows: int = FIRST_ROWS) -> Iterator[list[Row]]:
        """Yield the pages of `scan`, none of them empty; the first has at most `first_rows` rows."""
        position: Row = ()
        limit = first_rows
        while True:
            page, requested_rows = self._page(scan, position, limit)
            if page:
                self.progress.advance(rows=len(page))
                yield page
            if len(page) < requested_rows:
                return
            position = scan.position(position, page)
            limit = _next_limit(page, requested_rows)

    def _page(self, scan: Scan, position: Row, limit: int) -> tuple[list[Row], int]:
        """Return rows, and the number that was requested."""
        while True:
            statement = scan.page(position, limit)
            try:
                return self._query(statement).rows, limit
            except SldbError as error:
                if error.code != "too_large":
                    raise
            if limit == 1:
                return self._in_pieces(statement), 1
            limit = max(1, limit // 2)

    def _in_pieces(self, statement: Statement) -> list[Row]:
        """Return the one row of a statement, read value by value."""
        width = len(self._query(Statement(f"SELECT * FROM ({statement.query}) LIMIT 0", statement.params)).columns)
        cells = [f"c{i}" for i in range(width)]
        row = f"WITH r({','.join(cells)}) AS ({statement.query}) SELECT "
        sizes = ",".join(f"typeof({cell}),length(CAST({cell} AS BLOB))" for cell in cells)
        described = self._query(Statement(f"{row}{sizes} FROM r", statement.params)).rows
        if not described:
            return []
        value: list[Value] = []
        for cell, kind, size in zip(cells, described[0][::2], described[0][1::2], strict=True):
            if kind in ("text", "blob") and isinstance(size, int) and size > PIECE_BYTES // 2:
                value.append(self._long_value(row, cell, str(kind), size, statement.params))
            else:
                value.append(self._query(Statement(f"{row}{cell} FROM r", statement.params)).rows[0][0])
        return [tuple(value)]

    def _long_value(self, row: str, cell: str, kind: str, size: int, params: Bound) -> Value:
        data = bytearray()
        for start in range(1, size + 1, PIECE_BYTES):
            piece = f"{row}substr(CAST({cell} AS BLOB),{start},{PIECE_BYTES}) FROM r"
            value = self._query(Statement(piece, params)).rows[0][0]
            assert isinstance(value, bytes)
            data += value
        return bytes(data) if kind == "blob" else data.decode(self.encoding)

    def _query(self, statement: Statement) -> Result:
        self.requests += 1
        return self._send(statement).last

    def _send(self, statement: Statement) -> Reply:
        return self._client.execute(Request((statement,), at=self._at, read_only=True))


def _next_limit(page: list[Row], requested_rows: int) -> int:
    """Return the number of rows that fill a page, if they are like those of the last one."""
    step = max(1, len(page) // _SAMPLE_ROWS)
    sample = page[::step]
    row_bytes = sum(_size(value) for row in sample for value in row) / len(sample) + _NUMBER_BYTES
    return max(1, min(int(PAGE_BYTES / row_bytes), requested_rows * _GROWTH, MAX_ROWS))


def _size(value: Value) -> int:
    """Return the size of a value in a reply, as the function counts it; for a number, the largest possible."""
    if isinstance(value, bytes):
        return len(value) * 4 // 3 + 20
    return len(json.dumps(value)) + 2 if isinstance(value, str) else _NUMBER_BYTES
