"""Staging: a database of its own beside the target's, for the rows of an import until one transaction copies them all.

    done     batch, rows, digest: a row for each batch, written in the batch's own transaction
    note     request_id, before: the request of the last step before it is sent, and the transaction before it
    refused  the rows that this request leaves out, with the reasons
    s0 s1 …  the rows of each table, in columns c0 c1 … without types, in the order of their rowids

A batch that is sent twice is applied once: its number is a primary key. The database is named after the import, so that
the same command finds it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lambda_handlers.wire import Request, SldbError, Statement, Value
from sldb.client import Client
from sldb.render import literals
from sldb.transfer.batches import Batch
from sldb.transfer.cell_checks import CellCheck
from sldb.transfer.formats.stream import Values
from sldb.transfer.loaded_stream import Refusal

MAX_PARAMETERS = 32_766  # of one statement, in SQLite
_MAX_ROWS = 2_000  # of one INSERT
_STAGED = "sldb_staging"  # the database, where it is attached

_BEGIN = (
    "CREATE TABLE IF NOT EXISTS done (batch INTEGER PRIMARY KEY, rows INT, digest TEXT)",
    "CREATE TABLE IF NOT EXISTS note (request_id TEXT, before INT)",
    "CREATE TABLE IF NOT EXISTS refused (place INT, row INT, reason TEXT, col TEXT, PRIMARY KEY (place, row))",
)
_NOTE_REFUSALS = (
    "INSERT OR REPLACE INTO refused WITH RECURSIVE o(place, row, last, reason, col) AS (SELECT value ->> 0, "
    "value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) "
    "UNION ALL SELECT place, row + 1, last, reason, col FROM o WHERE row < last) SELECT place, row, reason, col FROM o"
)


@dataclass(frozen=True, slots=True)
class EarlierProgress:
    """The batches staged by earlier runs."""

    batches: int
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Note:
    """The request of the last step, and the transaction before it."""

    request_id: str
    before: int  # txid


class Staging:
    """The staging database of one import. Every method raises SldbError."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = Client(client.target, name)
        self._target = client
        self._encoding: Statement | None = None  # known once a batch is staged
        self._widths: dict[int, int] = {}  # table → number of its columns

    def earlier_progress(self) -> EarlierProgress:
        """Return the progress of earlier runs."""
        try:
            rows = self._query(
                "SELECT batch, (SELECT sum(rows) FROM done), digest FROM done ORDER BY batch DESC LIMIT 1"
            )
        except SldbError as error:
            if error.code == "not_found":
                return EarlierProgress(0, 0, "")
            raise
        [(batch, total, digest)] = rows
        assert isinstance(batch, int)
        assert isinstance(total, int)
        return EarlierProgress(batch, total, str(digest))

    def add(self, number: int, table: int, width: int, batch: Batch, refusal: Refusal | None = None) -> None:
        """Apply a batch, once. `width`: the number of columns of the table by now. With a refusal of its only row, an
        empty row takes its place."""
        entry = Statement("INSERT INTO done VALUES (?, ?, ?)", (number, len(batch.rows), batch.digest))
        self._encoding = self._encoding or self._encoding_of_target()
        statements = [
            self._encoding,
            *map(Statement, _BEGIN),
            entry,
            *self._widen(table, width),
            *insert_statements(f"s{table}", width, batch.rows if refusal is None else [()]),
            *([] if refusal is None else _note_refusals([refusal])),
        ]
        try:
            self._write(f"{self.name}-{number}-{batch.digest[:16]}", *statements)
        except SldbError as error:
            if error.code != "constraint" or self._digest(number) != batch.digest:
                raise
        self._widths[table] = width

    def _encoding_of_target(self) -> Statement:
        """Return the statement that sets the target's text encoding: SQLite attaches no database with another one."""
        try:
            reply = self._target.execute(Request((Statement("PRAGMA encoding"),), read_only=True))
        except SldbError as error:
            if error.code != "not_found":
                raise
            return Statement("PRAGMA encoding = 'UTF-8'")
        return Statement(f"PRAGMA encoding = '{reply.rows[0][0]!s}'")

    def skip(self, table: int, width: int) -> None:
        """Pass over a batch of the table that an earlier run has staged."""
        self._widths[table] = width

    def read_note(self) -> Note | None:
        """Return the note of the last try, if there was one."""
        rows = self._query("SELECT request_id, before FROM note")
        if not rows:
            return None
        request_id, before = rows[0]
        assert isinstance(before, int)
        return Note(str(request_id), before)

    def write_note(self, note: Note, refused: Sequence[Refusal]) -> None:
        """Replace the note, and add the rows that its request leaves out."""
        statements = (
            Statement("DELETE FROM note"),
            Statement("INSERT INTO note VALUES (?, ?)", (note.request_id, note.before)),
            *_note_refusals(refused),
        )
        self._client.execute(Request(statements))

    def refused(self) -> list[Refusal]:
        """Return the rows that were refused so far, by earlier runs too."""
        return [
            Refusal(int(str(place)), int(str(row)), str(reason), None if column is None else str(column))
            for place, row, reason, column in self._query("SELECT * FROM refused ORDER BY place, row")
        ]

    def refused_by(self, check: CellCheck) -> list[Refusal]:
        """Return the refusals of the rows of a table."""
        where = check.condition.format(cell=f"c{check.cell}")
        return [
            check.refusal(int(str(row))) for (row,) in self._query(f"SELECT rowid FROM s{check.place} WHERE {where}")
        ]

    def drop(self) -> None:
        """Drop the database."""
        self._client.act("drop_database")

    def _widen(self, table: int, width: int) -> Iterator[Statement]:
        there = self._widths.get(table, 0)
        if not there:
            yield Statement(f"CREATE TABLE s{table} ({','.join(cell_names(width))})")
            return
        for cell in cell_names(width)[there:]:
            yield Statement(f"ALTER TABLE s{table} ADD COLUMN {cell}")

    def _digest(self, number: int) -> object:
        return self._query("SELECT max(digest) FROM done WHERE batch = ?", number)[0][0]

    def _query(self, query: str, *params: int | str) -> list[Values]:
        reply = self._client.execute(Request((Statement(query, params),), read_only=True))
        return [*reply.rows]

    def _write(self, request_id: str, *statements: Statement) -> None:
        self._client.execute(Request(statements, request_id=request_id))


def selected_values(row: Values, written: list[tuple[int, str]], nulled: set[int]) -> list[Value]:
    """Return the values of the columns that are written. `nulled`: those in which empty text is NULL."""
    cells = [row[cell] if cell < len(row) else None for cell, _ in written]
    if nulled:
        cells = [
            None if value == "" and cell in nulled else value for value, (cell, _) in zip(cells, written, strict=True)
        ]
    return cells


def attach_statement(staging: str) -> Statement:
    """Return the statement that opens the staging database for `staged_table`."""
    return Statement(f"ATTACH {literals.literal(staging)} AS {_STAGED}")


def staged_table(place: int) -> str:
    """Return the name of the table with the staged rows of a stream."""
    return f"{_STAGED}.s{place}"


def _note_refusals(refused: Sequence[Refusal]) -> list[Statement]:
    """Return the statements that add the rows. Rows one after the other with the same reason are one entry."""
    entries: list[list[int | str | None]] = []
    for each in refused:
        entry: list[int | str | None] = [each.place, each.row, each.row, each.reason, each.column]
        if entries and entries[-1][::2] == [each.place, each.row - 1, each.column] and entries[-1][3] == each.reason:
            entries[-1][2] = each.row
        else:
            entries.append(entry)
    return [Statement(_NOTE_REFUSALS, (json.dumps(entries),))] if entries else []


def rows_per_insert(width: int) -> int:
    """Return the number of rows of one INSERT with a parameter for each value."""
    return max(1, min(_MAX_ROWS, MAX_PARAMETERS // width)) if width else 1


def cell_names(width: int) -> list[str]:
    """Return c0, c1, …"""
    return [f"c{i}" for i in range(width)]


def insert_statements(table: str, width: int, rows: list[Values]) -> Iterator[Statement]:
    """Yield INSERT statements for the rows, each with as many parameters as possible."""
    step = rows_per_insert(width)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        yield Statement(f"INSERT INTO {table} {values_clause(width, len(part))}", flattened(width, part))


def values_clause(width: int, count: int) -> str:
    """Return VALUES with a placeholder for each value."""
    return "VALUES " + ",".join([f"({','.join('?' * width)})"] * count)


def flattened(width: int, rows: list[Values]) -> tuple[Value, ...]:
    """Return all values in one sequence; rows from before a new column are filled up with NULL."""
    return tuple(
        value for row in rows for value in (row if len(row) == width else (*row, *[None] * (width - len(row))))
    )
