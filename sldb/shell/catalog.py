"""The catalog: requests for the tables, columns, indexes and their SQL.

SQLite's own tables and ours (`_sldb_…`) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from lambda_handlers.wire import Reply, Request, Result, Statement, Value
from sldb.shell import ddl

_OURS = r"NOT LIKE 'sqlite\_%' ESCAPE '\' AND {name} NOT LIKE '\_sldb\_%' ESCAPE '\'"


def _visible(name: str) -> str:
    return f"{name} {_OURS.format(name=name)}"


_TABLES = f"""SELECT name, type FROM sqlite_schema
WHERE type IN ('table', 'view') AND {_visible("name")} AND (:like IS NULL OR name LIKE :like) ORDER BY name"""
_VIEWS = f"""SELECT name FROM sqlite_schema
WHERE type = 'view' AND {_visible("name")} AND (:like IS NULL OR name LIKE :like) ORDER BY name"""
_INDEXES = f"""SELECT name, tbl_name AS "table" FROM sqlite_schema
WHERE type = 'index' AND {_visible("tbl_name")} AND (:table IS NULL OR lower(tbl_name) = lower(:table)) ORDER BY name"""
_SCHEMA = f"""SELECT name, sql FROM sqlite_schema
WHERE sql IS NOT NULL AND {_visible("tbl_name")} AND {_visible("name")}
AND (:name IS NULL OR lower(tbl_name) = lower(:name) OR lower(name) = lower(:name))
ORDER BY tbl_name, type = 'table' DESC, name"""
_VERSION = "PRAGMA schema_version"
_ALL_COLUMNS = f"""SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
WHERE t.type IN ('table', 'view') AND {_visible("t.name")} AND c.hidden <> 1 ORDER BY t.name, c.cid"""
_KEYS = f"""SELECT t.name, k.id, k."table", k."from",
coalesce(k."to", (SELECT c.name FROM pragma_table_xinfo(k."table") AS c WHERE c.pk = k.seq + 1))
FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS k
WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%' AND {_visible("t.name")}
ORDER BY t.name, k.id DESC, k.seq"""
_CHECKED = f"""SELECT name, sql FROM sqlite_schema
WHERE type = 'table' AND sql LIKE '%CHECK%' AND {_visible("name")} ORDER BY name"""


def tables(pattern: str | None = None) -> Request:
    """Request rows (name, type) of the tables and views; `pattern` is one of LIKE."""
    return _request(_TABLES, {"like": pattern})


def views(pattern: str | None = None) -> Request:
    """Request rows (name) of the views; `pattern` is one of LIKE."""
    return _request(_VIEWS, {"like": pattern})


def statements() -> Request:
    """Request rows (name, sql) of all objects, SQLite's own and ours too, in a possible order of creation."""
    return _request("SELECT name, sql FROM sqlite_schema ORDER BY type <> 'table', rowid", {})


def statistics() -> Request:
    """Request the rows of sqlite_stat1, the results of ANALYZE; the table must exist."""
    return _request("SELECT tbl, idx, stat FROM sqlite_stat1", {})


def schema_version() -> Request:
    """Request the schema version, a number that every change of the schema increases."""
    return _request(_VERSION, {})


def indexes(table: str | None = None) -> Request:
    """Request rows (name, table) of the indexes."""
    return _request(_INDEXES, {"table": table})


def schema(name: str | None = None) -> Request:
    """Request rows (name, sql) of all objects, or of the object `name` and those belonging to it."""
    return _request(_SCHEMA, {"name": name})


def everything() -> Request:
    """Request results for `Names.from_reply`: the schema's version, rows (table, column), keys, tables with checks."""
    queries = (_VERSION, _ALL_COLUMNS, _KEYS, _CHECKED)
    return Request(tuple(map(Statement, queries)), read_only=True)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    child: str  # the table with the key, in lower case
    parent: str  # the table that it refers to, in lower case
    columns: tuple[tuple[str, str], ...]  # of the child and of the parent


@dataclass(frozen=True, slots=True)
class Names:
    """The names to complete: tables and views, each with its columns; and what is known of those."""

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    version: Value = None  # of the schema
    keys: Sequence[ForeignKey] = ()
    values: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    # table → column (lower case) → the literals that its checks allow

    @classmethod
    def from_reply(cls, reply: Reply) -> Names:
        """Return the names in the reply to `everything`."""
        version, found, keys, checked = reply.results
        columns: dict[str, list[str]] = {}
        for table, column in found.rows:
            columns.setdefault(str(table), []).append(str(column))
        values = {str(name): _values(str(sql)) for name, sql in checked.rows}
        return cls(columns, version.rows[0][0], tuple(_keys(keys)), values)


def _keys(found: Result) -> Iterator[ForeignKey]:
    for (child, _), group in groupby(found.rows, key=lambda row: (str(row[0]), row[1])):
        rows = list(group)
        pairs = tuple((str(row[3]), str(row[4])) for row in rows if row[4] is not None)
        if len(pairs) == len(rows):  # else the parent is not there
            yield ForeignKey(child.lower(), str(rows[0][2]).lower(), pairs)


def _values(sql: str) -> dict[str, list[str]]:
    """Return columns (lower case) → the literals that the checks of a CREATE TABLE compare them with."""
    found: dict[str, list[str]] = {}
    for definition in ddl.definitions(sql):
        for check in definition.checks:
            for column, literals in ddl.compared(check).items():
                found.setdefault(column, []).extend(literals)
    return found


def _request(sql: str, params: dict[str, Value]) -> Request:
    return Request((Statement(sql, params or None),), read_only=True)
