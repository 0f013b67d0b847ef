"""The loader: statements that create the tables of an import, and insert its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.cancelling import TooLate
from sldb.client import Client
from sldb.render import literals
from sldb.render.values import folded
from sldb.targets.protocol import with_id
from sldb.transfer import cell_checks, new_table
from sldb.transfer.batches import Batch
from sldb.transfer.cell_checks import CellCheck
from sldb.transfer.formats.stream import Extra, Values
from sldb.transfer.interruption import ImportApplied, ImportInDoubt
from sldb.transfer.loaded_stream import LoadedStream
from sldb.transfer.row_search import RowsInsert
from sldb.transfer.staging import (
    attach_statement,
    cell_names,
    flattened,
    rows_per_insert,
    selected_values,
    staged_table,
    values_clause,
)
from sldb.transfer.target_columns import GENERATED, Column, affinity, is_number

_Insert = TypeVar("_Insert")


@dataclass(frozen=True, slots=True)
class Mode:
    """The treatment of the table and of its rows."""

    must_be_new: bool = False  # the table
    replace: bool = False  # existing rows are deleted
    upsert: tuple[str, ...] = ()  # rows with the same values in these columns are updated
    skip: bool = False  # bad rows, and rows that constraints refuse
    types: tuple[tuple[str, str], ...] = ()  # of columns of new tables: name, type


class Loader:
    """The last step of one import."""

    def __init__(self, client: Client, mode: Mode, loaded: Sequence[LoadedStream]) -> None:
        self._client = client
        self._mode = mode
        self._loaded = loaded
        self._is_new = False  # the database
        self._tables: dict[str, list[Column]] = {}  # existing tables of the target, by folded name
        self._new: dict[str, list[Column]] = {}  # tables that are created, likewise
        self._types = {folded(name): type_ for name, type_ in mode.types}
        self.made: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()  # about columns of new tables
        self.changed = 0
        self._insert_beginnings: set[str] = set()  # of the statements that insert rows

    def read_tables(self) -> int:
        """Read the columns of the existing tables; return the newest transaction. Raises SldbError."""
        names = dict.fromkeys(
            [loaded.stream.table for loaded in self._loaded] + [e.of_table for e in self._extras() if e.of_table]
        )
        queries = tuple(Statement("SELECT name, type, hidden FROM pragma_table_xinfo(?)", (name,)) for name in names)
        try:
            reply = self._client.execute(Request(queries, read_only=True))
        except SldbError as error:
            if error.code != "not_found":
                raise
            self._tables, self._is_new = {}, True
            self._plan_new_tables()
            return int(error.details.get("txid", 0))
        self._is_new = reply.txid == 0
        self._tables = {
            folded(name): [
                Column(str(column), str(type_), hidden in GENERATED) for column, type_, hidden in result.rows
            ]
            for name, result in zip(names, reply.results, strict=True)
            if result.rows
        }
        self._plan_new_tables()
        return reply.txid

    def has_table(self, name: str) -> bool:
        """Return True if the database has the table already."""
        return folded(name) in self._tables

    def _plan_new_tables(self) -> None:
        """Choose the columns of tables that are created. Raises `bad_request` for a given type without a column."""
        streams: dict[str, list[LoadedStream]] = {}
        for loaded in self._loaded:
            streams.setdefault(folded(loaded.stream.table), []).append(loaded)
        existing = [of[0].stream.table for name, of in streams.items() if name in self._tables]
        new = {name: of for name, of in streams.items() if name not in self._tables}
        self._new = {name: new_table.columns(of, self._types) for name, of in new.items()}
        untyped = [name for name, of in new.items() if all(each.stream.create is None for each in of)]
        new_table.check_types(self._types, [self._new[name] for name in untyped], existing)
        self.notes = tuple(note for name in untyped for note in new_table.notes(new[name], self._types))

    def prepare_database(self) -> None:
        """Create a new database without enforced foreign keys if its first content is a SQLite file, as SQLite does."""
        self.read_tables()
        if not self._is_new or not all(loaded.stream.is_of_file for loaded in self._loaded):
            return
        try:
            self._client.act("create_database", foreign_keys=False)
        except SldbError as error:
            if error.code not in ("exists", "conflict"):  # another writer has created it; conflict: an older function
                raise

    def load(self, batches: Mapping[int, Sequence[Batch]]) -> int:
        """Load all rows in one request; return the transaction. Raises SldbError."""
        self.read_tables()
        held = [list(batches.get(place, [])) for place in range(len(self._loaded))]
        statements = list(self.statements(lambda place: self.inserts(place, held[place])))
        return self._send(Request((self.foreign_keys(), *statements))) if statements else 0

    def load_staged(self, staging: str, if_txid: int, request_id: str) -> int:
        """Copy all rows from the staging database; return the transaction. Raises SldbError."""
        statements = [self.foreign_keys(), attach_statement(staging), *self.statements(self._copies)]
        return self._send(Request(tuple(statements), if_txid=if_txid, request_id=request_id))

    def foreign_keys(self) -> Statement:
        """Return the setting for foreign keys: a referenced row may come later, or with the next table."""
        if all(loaded.stream.is_of_dump for loaded in self._loaded):
            return Statement("PRAGMA foreign_keys = OFF")
        return Statement("PRAGMA defer_foreign_keys = ON")

    def statements(self, inserts: Callable[[int], Iterable[_Insert]]) -> Iterator[Statement | _Insert]:
        """Yield statements that create or empty tables, fill them, and then add their indexes and other extras."""
        begun: set[str] = set()
        made: list[str] = []
        for place, loaded in enumerate(self._loaded):
            table = loaded.stream.table
            if folded(table) in self._tables:
                self._check(loaded)
                if self._mode.replace and folded(table) not in begun:
                    yield Statement(f"DELETE FROM {literals.name(table)}")
            elif folded(table) not in begun:
                yield Statement(
                    loaded.stream.create
                    or new_table.create_statement(table, self._new[folded(table)], self._mode.upsert)
                )
                made.append(table)
            begun.add(folded(table))
            yield from inserts(place)
        for extra in self._extras():
            if folded(extra.of_table) not in self._tables and (extra.of_table or not self._tables):
                yield Statement(extra.sql, extra.params or None)
        self.made = tuple(made)

    def _extras(self) -> list[Extra]:
        return [extra for loaded in self._loaded for extra in loaded.stream.extras]

    def _check(self, loaded: LoadedStream) -> None:
        """Raise `bad_request` if the rows do not fit the existing table."""
        table = loaded.stream.table
        if self._mode.must_be_new:
            raise SldbError("bad_request", f"table {table} already exists", "without --create its rows are added")
        there = {folded(column.name): column for column in self._tables[folded(table)]}
        for _, name in self._cells(loaded):
            if folded(name) not in there:
                known = ", ".join(column.name for column in there.values())
                raise SldbError(
                    "bad_request", f"{loaded.stream.shown}: table {table} has no column {name}", f"it has: {known}"
                )
        if loaded.stream.columns and not self._cells(loaded):
            raise SldbError("bad_request", f"{loaded.stream.shown}: all its columns are generated by table {table}")
        new_table.check_keys(self._mode.upsert, [name for _, name in self._cells(loaded)])

    def _cells(self, loaded: LoadedStream) -> list[tuple[int, str]]:
        """Return place and name of the columns that are written: not those that the table generates."""
        there = self._tables.get(folded(loaded.stream.table))
        columns = list(enumerate(loaded.stream.columns))
        if there is None:
            return columns
        generated = {folded(column.name) for column in there if column.is_generated}
        return [each for each in columns[loaded.stream.has_rowid :] if each[1].lower() not in generated]

    @property
    def generated(self) -> tuple[str, ...]:
        """The columns of the inputs that the tables generate, as TABLE.COLUMN."""
        return tuple(
            dict.fromkeys(
                f"{loaded.stream.table}.{name}"
                for loaded in self._loaded
                for name in loaded.stream.columns[loaded.stream.has_rowid :]
                for column in self._tables.get(folded(loaded.stream.table), ())
                if column.is_generated and folded(column.name) == folded(name)
            )
        )

    def _insert(self, loaded: LoadedStream) -> tuple[str, str]:
        """Return the beginning and the end of an INSERT."""
        names = tuple(name for _, name in self._cells(loaded))
        begin = f"INSERT INTO {literals.name(loaded.stream.table)} ({literals.names(names)}) "
        if not self._mode.upsert:
            return begin, ""
        keys = {folded(key) for key in self._mode.upsert}
        updates = [f"{literals.name(n)}=excluded.{literals.name(n)}" for n in names if folded(n) not in keys]
        action = f"UPDATE SET {','.join(updates)}" if updates else "NOTHING"
        return begin, f" ON CONFLICT ({literals.names(self._mode.upsert)}) DO {action}"

    def _is_nulled(self, loaded: LoadedStream, name: str) -> bool:
        """Return True if empty text in this column is NULL."""
        if not loaded.stream.empty_is_null:
            return False
        return any(folded(column.name) == folded(name) and is_number(column.type) for column in self._columns(loaded))

    def _columns(self, loaded: LoadedStream) -> list[Column]:
        """Return the columns of the table for a stream, existing or new."""
        table = folded(loaded.stream.table)
        return self._tables[table] if table in self._tables else self._new[table]

    def inserts(self, place: int, batches: list[Batch]) -> Iterator[Statement]:
        """Yield the statements that insert the rows of a stream."""
        loaded = self._loaded[place]
        begin, end = self._insert(loaded)
        written = self._cells(loaded)
        nulled = {cell for cell, name in written if self._is_nulled(loaded, name)}
        step = rows_per_insert(len(written))
        for accepted in loaded.accepted(batch.rows for batch in batches):
            for start in range(0, len(accepted), step):
                rows: list[Values] = [selected_values(row, written, nulled) for row in accepted[start : start + step]]
                self._insert_beginnings.add(begin)
                yield Statement(f"{begin}{values_clause(len(written), len(rows))}{end}", flattened(len(written), rows))

    def _copies(self, place: int) -> Iterator[Statement]:
        for insert in self.rows_insert(place, staged_table(place)):
            yield insert.statement(1, insert.count, sorted(self._loaded[place].refused))

    def rows_insert(self, place: int, source: str) -> list[RowsInsert]:
        """Return the INSERT of the rows of a stream from a table with them; none if there are no rows."""
        loaded = self._loaded[place]
        if not loaded.types or not loaded.count:
            return []
        begin, end = self._insert(loaded)
        self._insert_beginnings.add(begin)
        values = tuple(self.source_values(place).values())
        return [RowsInsert(place, loaded.stream.table, loaded.count, begin, values, source, end)]

    def source_values(self, place: int) -> dict[str, str]:
        """Return the expression for each column that is written, in a table with the rows of the stream."""
        loaded = self._loaded[place]
        cells = cell_names(len(loaded.stream.columns))
        return {
            name: f"nullif({cells[cell]},'')" if self._is_nulled(loaded, name) else cells[cell]
            for cell, name in self._cells(loaded)
        }

    def cell_checks(self) -> Iterator[CellCheck]:
        """Yield the checks of cells that the database does not make."""
        keys = {folded(key) for key in self._mode.upsert}
        for place, loaded in enumerate(self._loaded):
            there = {folded(column.name): column for column in self._columns(loaded)}
            for cell, name in self._cells(loaded):
                if folded(name) in keys and self._is_nulled(loaded, name):
                    yield cell_checks.empty_text(place, cell, name)
                column = there.get(folded(name))  # a column that is missing is an error later
                if column and loaded.types[cell].has_text and affinity(column.type) in ("INTEGER", "NUMERIC"):
                    yield cell_checks.huge_number(place, cell, column, loaded.stream.table)

    def _send(self, request: Request) -> int:
        request = with_id(request)
        try:
            reply = self._client.execute(request)
        except TooLate as late:
            raise ImportApplied(late.reply) from late
        except KeyboardInterrupt as stop:
            raise ImportInDoubt(str(request.request_id)) from stop
        except SldbError as error:
            details = error.details
            kinds = (details.get("reason"), details.get("sqlite_code"), error.code)
            hint = next((_HINTS[kind] for kind in kinds if kind in _HINTS), error.hint)
            if details.get("sqlite_code") in _DOUBLES and not self._mode.upsert:
                hint = "--upsert KEY updates existing rows"
            kept = {name: details[name] for name in ("sqlite_code", "applied") if name in details}
            raise SldbError(error.code, error.message, hint, **kept) from error
        self.changed = sum(
            result.rowcount
            for statement, result in zip(request.statements, reply.results, strict=True)
            if statement.query.startswith(tuple(self._insert_beginnings))
        )
        return reply.txid


_DOUBLES = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID")
# Keys: the reason, SQLite's code, or the error code.
_HINTS = {
    "no_unique_key": "--upsert needs a primary key or unique index of just these columns: CREATE UNIQUE INDEX …",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "import the tables that these rows refer to first, or with them",
}
