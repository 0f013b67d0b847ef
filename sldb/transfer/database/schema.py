"""The schema of a database: its tables and scans of them, and the other objects as CREATE statements.

Tables of SQLite's own and of sldb's are left out. The source is a database at one transaction, or a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lambda_handlers.wire import Row, Statement
from sldb.render import literals
from sldb.render.values import folded
from sldb.transfer.database.snapshot import QueryScan, Scan

_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_OURS = "_sldb_"
_GENERATED, _HIDDEN = (2, 3), 1  # `hidden` of PRAGMA table_xinfo


class Queryable(Protocol):
    """A source of rows."""

    def rows(self, sql: str) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    kind: str  # of PRAGMA table_list: table, virtual, or shadow (a table with the data of a virtual one)
    sql: str
    columns: tuple[str, ...]  # those to write: neither generated nor hidden
    shown: tuple[str, ...]  # those of SELECT *
    types: tuple[str, ...]  # as declared
    key: tuple[str, ...]  # the primary key
    has_rowid: bool
    rowid: str | None  # the name of the rowid in queries, if it has one
    rowid_column: str | None  # the column that is the rowid (INTEGER PRIMARY KEY)

    @property
    def must_keep_rowids(self) -> bool:
        """True if no column is the rowid, and statements can name it."""
        return self.rowid is not None and self.rowid_column is None

    def scan(self, columns: tuple[str, ...]) -> Scan:
        """Return a scan of the rows; the first value of each is the rowid, or NULL if queries cannot name it."""
        if self.rowid is not None:
            return KeyScan(self.name, columns, (self.rowid,), self.rowid)
        if not self.has_rowid:
            return KeyScan(self.name, columns, self.key, None)
        return QueryScan(f"SELECT NULL,{literals.names(columns)} FROM {literals.name(self.name)}")

    def key_scan(self, columns: tuple[str, ...]) -> Scan | None:
        """Return a scan of the rows without rowids, if the columns tell where a page ends."""
        key = self.key if self.rowid_column is None else (self.rowid_column,)
        if self.kind != "table" or (self.has_rowid and self.rowid_column is None) or not set(key) <= set(columns):
            return None
        return KeyScan(self.name, columns, key, None, has_rowids=False)


@dataclass(frozen=True, slots=True)
class KeyScan:
    """A scan of a table in the order of its key: the rowid, or else the primary key."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    rowid: str | None
    has_rowids: bool = True  # the first value of each row is the rowid, or NULL

    def page(self, position: Row, limit: int) -> Statement:
        key = literals.names(self.key) if self.rowid is None else self.rowid
        after = f" WHERE ({key}) > ({','.join('?' * len(position))})" if position else ""
        rowid = f"{self.rowid or 'NULL'}," if self.has_rowids else ""
        return Statement(
            f"SELECT {rowid}{literals.names(self.columns)} FROM {literals.name(self.table)}{after} "
            f"ORDER BY {key} LIMIT {limit}",
            position or None,
        )

    def position(self, before: Row, rows: Sequence[Row]) -> Row:  # noqa: ARG002 - the protocol's
        if self.rowid is not None:
            return (rows[-1][0],)
        return tuple(rows[-1][self.has_rowids + self.columns.index(column)] for column in self.key)


@dataclass(frozen=True, slots=True)
class Schema:
    tables: tuple[Table, ...]  # in the order of their creation
    indexes: tuple[tuple[str, str], ...]  # (its table, SQL)
    views: dict[str, str]  # name → SQL
    triggers: tuple[tuple[str, str], ...]  # (its table or view, SQL)
    has_autoincrement: bool  # sqlite_sequence has rows of some table
    has_statistics: bool  # there are results of ANALYZE

    def table(self, name: str) -> Table | None:
        """Return the table of that name; upper and lower case are the same, as in SQLite."""
        return next((table for table in self.tables if folded(table.name) == folded(name)), None)


def read_schema(source: Queryable) -> Schema:
    """Return the schema of a source."""
    objects = source.rows("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")
    listed = source.rows("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'")
    kinds = {str(name): str(kind) for name, kind, _ in listed}
    without_rowid = {name for name, _, is_without in listed if is_without}
    columns: dict[str, list[Row]] = {}
    for name, *column in source.rows(_COLUMNS):
        columns.setdefault(str(name), []).append(tuple(column))

    def of(kind: str) -> dict[str, str]:
        return {str(n): str(sql) for t, n, of_table, sql in objects if t == kind and sql and not _is_own(n, of_table)}

    def with_table(kind: str) -> tuple[tuple[str, str], ...]:
        names = of(kind)
        return tuple((str(of_table), str(sql)) for t, n, of_table, sql in objects if t == kind and n in names)

    tables = {name: sql for name, sql in of("table").items() if name in kinds}
    return Schema(
        tuple(
            _table(name, kinds[name], sql, columns.get(name, []), name not in without_rowid)
            for name, sql in tables.items()
        ),
        with_table("index"),
        of("view"),
        with_table("trigger"),
        any(name == "sqlite_sequence" for _, name, _, _ in objects)
        and any(re.search(r"\bAUTOINCREMENT\b", sql, re.IGNORECASE) for sql in tables.values()),
        any(name == "sqlite_stat1" for _, name, _, _ in objects),
    )


_COLUMNS = """
SELECT l.name, c.name, c.type, c.pk, c.hidden FROM pragma_table_list l JOIN pragma_table_xinfo(l.name) c
WHERE l.schema = 'main' AND l.type <> 'view' ORDER BY l.name, c.cid
"""


def is_reserved(name: object) -> bool:
    """Return True if the name is reserved for sldb."""
    return str(name).lower().startswith(_OURS)


def _is_own(name: object, of_table: object) -> bool:
    return any(is_reserved(each) or str(each).lower().startswith("sqlite_") for each in (name, of_table))


def _table(name: str, kind: str, sql: str, columns: list[Row], has_rowid: bool) -> Table:
    """Return the table. `columns`: name, type, place in the primary key, hidden."""
    taken = {folded(str(column)) for column, _, _, hidden in columns if hidden != _HIDDEN}
    written = [(str(n), str(type_)) for n, type_, _, hidden in columns if hidden not in (*_GENERATED, _HIDDEN)]
    key = tuple(str(n) for place, n in sorted((place, n) for n, _, place, _ in columns if place))
    integer_key = key[0] if has_rowid and len(key) == 1 and _is_rowid(key[0], written, sql) else None
    return Table(
        name,
        kind,
        sql,
        tuple(n for n, _ in written),
        tuple(str(n) for n, _, _, hidden in columns if hidden != _HIDDEN),
        tuple(type_ for _, type_ in written),
        key,
        has_rowid,
        next((each for each in _ROWID_NAMES if each not in taken), None) if has_rowid else None,
        integer_key,
    )


def _is_rowid(column: str, columns: list[tuple[str, str]], sql: str) -> bool:
    """Return True for an INTEGER PRIMARY KEY; with DESC after it, it is not a rowid, for historical reasons."""
    is_integer = any(name == column and type_.upper() == "INTEGER" for name, type_ in columns)
    return is_integer and not re.search(r"\bPRIMARY\s+KEY\s+DESC\b", sql, re.IGNORECASE)
