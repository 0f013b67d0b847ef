"""Reading a database of any size at one transaction, through replies of a limited size.

The first request tells which transaction that is; all others ask for just it, so that writers change nothing of what
is read. Rows come in pages: of a table from its key on, of anything else by LIMIT and OFFSET, which SQLite answers in
the same order every time, as the data is the same (only a query that uses random() or the clock is not). How many rows
a page has follows from the size of those before it. A row too large for one reply comes value by value, and a value too
large in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lambda_handlers.wire import Column, Params, Reply, Request, Result, Row, SldbError, Statement, Value
from sldb.client import Client

PAGE_BYTES = 2_200_000  # as JSON; a reply holds its rows twice, and may have 6 MB
PIECE_BYTES = 1_000_000
FIRST_ROWS, FEW_ROWS, MOST_ROWS = 200, 5_000, 50_000  # of a page
_GROWTH = 10  # a page has at most so many times the rows of the one before
_SAMPLE = 50  # rows whose size stands for all
_NUMBER_BYTES = 26


class Scan(Protocol):
    """What is read in pages."""

    def page(self, position: Row, limit: int) -> Statement:
        """The next rows after `position`, which is () at the start."""

    def position(self, before: Row, rows: Sequence[Row]) -> Row:
        """Where the page of `rows`, which began after `before`, ends."""


@dataclass(frozen=True, slots=True)
class QueryScan:
    """The rows of a SELECT."""

    query: str

    def page(self, position: Row, limit: int) -> Statement:
        # A sum, lest SQLite plan by the number: every page must come in the same order.
        return Statement(f"SELECT * FROM (\n{self.query}\n) LIMIT 0+{limit} OFFSET {_offset(position)}")

    def position(self, before: Row, rows: Sequence[Row]) -> Row:
        return (_offset(before) + len(rows),)


def _offset(position: Row) -> int:
    return int(position[0] or 0) if position else 0


class Snapshot:
    """One database as of one transaction."""

    def __init__(self, client: Client, at: int | str | None = None) -> None:
        """Raises SldbError, as every method does. `at`: a txid or a time of the wire; None: now."""
        self._client = client
        self.database = client.database
        self._at = at
        reply = self._send(Statement("PRAGMA encoding"))
        self.encoding = str(reply.last.rows[0][0])
        self.txid = reply.txid
        self.time = reply.time  # when that was made, RFC 3339 in UTC; None: it was not asked, or is not told
        # Before the first write there is no transaction to ask for, and nothing to read.
        self._at = reply.txid or None
        self.requests = 1

    def rows(self, sql: str) -> list[Row]:
        """All rows of a SELECT, which are few."""
        return [row for page in self.scan(QueryScan(sql), FEW_ROWS) for row in page]

    def columns(self, query: str) -> tuple[Column, ...]:
        """Of a SELECT; raises `sql_error` where it is none."""
        return self._ask(QueryScan(query).page((), 0)).columns

    def result(self, query: str) -> Result:
        """Of a statement that cannot be read in pages: PRAGMA, EXPLAIN. It must fit into one reply."""
        self.requests += 1
        reply = self._send(Statement(query))
        if len(reply.results) != 1 or not reply.columns:
            raise SldbError("bad_request", "the query must be one statement that returns rows", query=query)
        return reply.last

    def scan(self, scan: Scan, first_rows: int = FIRST_ROWS) -> Iterator[list[Row]]:
        """The pages of `scan`, none of them empty; the first has at most so many rows."""
        position: Row = ()
        limit = first_rows
        while True:
            page, asked = self._page(scan, position, limit)
            if page:
                yield page
            if len(page) < asked:
                return
            position = scan.position(position, page)
            limit = _next_limit(page, asked)

    def _page(self, scan: Scan, position: Row, limit: int) -> tuple[list[Row], int]:
        """Rows, and how many were asked for."""
        while True:
            statement = scan.page(position, limit)
            try:
                return self._ask(statement).rows, limit
            except SldbError as error:
                if error.code != "too_large":
                    raise
            if limit == 1:
                return self._in_pieces(statement), 1
            limit = max(1, limit // 2)

    def _in_pieces(self, statement: Statement) -> list[Row]:
        """The one row of a statement, value by value."""
        width = len(self._ask(Statement(f"SELECT * FROM ({statement.query}) LIMIT 0", statement.params)).columns)
        cells = [f"c{i}" for i in range(width)]
        row = f"WITH r({','.join(cells)}) AS ({statement.query}) SELECT "
        sizes = ",".join(f"typeof({cell}),length(CAST({cell} AS BLOB))" for cell in cells)
        described = self._ask(Statement(f"{row}{sizes} FROM r", statement.params)).rows
        if not described:
            return []
        value: list[Value] = []
        for cell, kind, size in zip(cells, described[0][::2], described[0][1::2], strict=True):
            if kind in ("text", "blob") and isinstance(size, int) and size > PIECE_BYTES // 2:
                value.append(self._long_value(row, cell, str(kind), size, statement.params))
            else:
                value.append(self._ask(Statement(f"{row}{cell} FROM r", statement.params)).rows[0][0])
        return [tuple(value)]

    def _long_value(self, row: str, cell: str, kind: str, size: int, params: Params) -> Value:
        data = bytearray()
        for start in range(1, size + 1, PIECE_BYTES):
            piece = f"{row}substr(CAST({cell} AS BLOB),{start},{PIECE_BYTES}) FROM r"
            value = self._ask(Statement(piece, params)).rows[0][0]
            assert isinstance(value, bytes)
            data += value
        return bytes(data) if kind == "blob" else data.decode(self.encoding)

    def _ask(self, statement: Statement) -> Result:
        self.requests += 1
        return self._send(statement).last

    def _send(self, statement: Statement) -> Reply:
        return self._client.execute(Request((statement,), at=self._at, read_only=True))


def _next_limit(page: list[Row], asked: int) -> int:
    """As many rows as fill a page, if they are like those of the last one."""
    step = max(1, len(page) // _SAMPLE)
    sample = page[::step]
    row_bytes = sum(_size(value) for row in sample for value in row) / len(sample) + _NUMBER_BYTES
    return max(1, min(int(PAGE_BYTES / row_bytes), asked * _GROWTH, MOST_ROWS))


def _size(value: Value) -> int:
    """Of a value in a reply, as the function counts it: no number takes more than it says."""
    if isinstance(value, bytes):
        return len(value) * 4 // 3 + 20
    return len(json.dumps(value)) + 2 if isinstance(value, str) else _NUMBER_BYTES
