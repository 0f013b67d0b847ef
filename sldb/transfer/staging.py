"""Rows on their way: a database of its own beside the target's, which holds them until one transaction copies all.

    done     batch, rows, digest: a row for each batch, written in the batch's own transaction
    note     request_id, before: the request that the last step is about to send, and the transaction it builds on
    s0 s1 …  the rows of each table, in columns c0 c1 … without types, in the order of their rowids

A batch that is sent twice is applied once: it cannot enter its number a second time. The database is named after the
import, so that the same command finds it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambda_handlers.wire import Request, SldbError, Statement, Value
from sldb.client import Client
from sldb.transfer.batches import Batch
from sldb.transfer.formats.stream import Values

MOST_PARAMETERS = 32_766  # of one statement, in SQLite
_MOST_ROWS = 2_000  # of one INSERT

_BEGIN = (
    "CREATE TABLE IF NOT EXISTS done (batch INTEGER PRIMARY KEY, rows INT, digest TEXT)",
    "CREATE TABLE IF NOT EXISTS note (request_id TEXT, before INT)",
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs have staged."""

    batches: int
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Note:
    request_id: str
    before: int  # txid


class Staging:
    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = Client(client.target, name)
        self._target = client
        self._encoding: Statement | None = None  # known when something is staged
        self._widths: dict[int, int] = {}  # table → columns that it has

    def earlier(self) -> Earlier:
        """How far earlier runs came."""
        try:
            rows = self._ask("SELECT batch, (SELECT sum(rows) FROM done), digest FROM done ORDER BY batch DESC LIMIT 1")
        except SldbError as error:
            if error.code == "not_found":
                return Earlier(0, 0, "")
            raise
        [(batch, total, digest)] = rows
        assert isinstance(batch, int)
        assert isinstance(total, int)
        return Earlier(batch, total, str(digest))

    def add(self, number: int, table: int, width: int, batch: Batch) -> None:
        """Apply a batch, once. `width`: the columns that the table has by now."""
        entry = Statement("INSERT INTO done VALUES (?, ?, ?)", (number, len(batch.rows), batch.digest))
        self._encoding = self._encoding or self._encoding_of_target()
        statements = [
            self._encoding,
            *map(Statement, _BEGIN),
            entry,
            *self._widen(table, width),
            *inserts(f"s{table}", width, batch.rows),
        ]
        try:
            self._write(f"{self.name}-{number}-{batch.digest[:16]}", *statements)
        except SldbError as error:
            if error.code != "constraint" or self._digest(number) != batch.digest:
                raise
        self._widths[table] = width

    def _encoding_of_target(self) -> Statement:
        """Return what gives a new database the text encoding of the target: SQLite attaches no other to it."""
        try:
            reply = self._target.execute(Request((Statement("PRAGMA encoding"),), read_only=True))
        except SldbError as error:
            if error.code != "not_found":
                raise
            return Statement("PRAGMA encoding = 'UTF-8'")
        return Statement(f"PRAGMA encoding = '{reply.rows[0][0]!s}'")

    def seen(self, table: int, width: int) -> None:
        """A batch of the table is there from an earlier run."""
        self._widths[table] = width

    def noted(self) -> Note | None:
        """What the last step was about to do when it was tried last."""
        rows = self._ask("SELECT request_id, before FROM note")
        if not rows:
            return None
        request_id, before = rows[0]
        assert isinstance(before, int)
        return Note(str(request_id), before)

    def note(self, note: Note) -> None:
        statements = (
            Statement("DELETE FROM note"),
            Statement("INSERT INTO note VALUES (?, ?)", (note.request_id, note.before)),
        )
        self._client.execute(Request(statements))

    def drop(self) -> None:
        self._client.act("drop_database")

    def _widen(self, table: int, width: int) -> Iterator[Statement]:
        there = self._widths.get(table, 0)
        if not there:
            yield Statement(f"CREATE TABLE s{table} ({','.join(cells(width))})")
            return
        for cell in cells(width)[there:]:
            yield Statement(f"ALTER TABLE s{table} ADD COLUMN {cell}")

    def _digest(self, number: int) -> object:
        return self._ask("SELECT max(digest) FROM done WHERE batch = ?", number)[0][0]

    def _ask(self, query: str, *params: int | str) -> list[Values]:
        reply = self._client.execute(Request((Statement(query, params),), read_only=True))
        return [*reply.rows]

    def _write(self, request_id: str, *statements: Statement) -> None:
        self._client.execute(Request(statements, request_id=request_id))


def cells(width: int) -> list[str]:
    return [f"c{i}" for i in range(width)]


def inserts(table: str, width: int, rows: list[Values]) -> Iterator[Statement]:
    """Rows as statements with as many parameters as may be."""
    step = max(1, min(_MOST_ROWS, MOST_PARAMETERS // width))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        yield Statement(f"INSERT INTO {table} {tuples(width, len(part))}", flat(width, part))


def tuples(width: int, count: int) -> str:
    """VALUES with a hole for each value."""
    return "VALUES " + ",".join([f"({','.join('?' * width)})"] * count)


def flat(width: int, rows: list[Values]) -> tuple[Value, ...]:
    """All values one after the other; rows from before a column came are short."""
    return tuple(
        value for row in rows for value in (row if len(row) == width else (*row, *[None] * (width - len(row))))
    )
