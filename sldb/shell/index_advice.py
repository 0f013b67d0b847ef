"""The query plan of a statement as a tree, and indexes for SQLite to search instead of reading a table.

The advice is SQLite's own: an empty copy of the schema in memory (with the statistics of ANALYZE, if there are any)
gets an index on every column, and every pair of columns, named in the statement. Those used by the planner are then
created alone in another copy, and proposed if it still uses them. No index is guessed from the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple, TypeAlias

import apsw

from lambda_handlers.wire import Reply, Request, Statement
from lambda_handlers.wire.values import Params
from sldb.shell import catalog
from sldb.shell.sources import quote
from sldb.sql_text import possible_names

Execute: TypeAlias = Callable[[Request], Reply]

MAX_COLUMNS = 8  # tried of one table; they form 56 pairs

_READS_ALL = re.compile(r"SCAN (?!CONSTANT ROW)(?!.* USING )|.* USING AUTOMATIC ")
_CANDIDATE = "sldb_candidate_"
_SEARCH = re.compile(rf"SEARCH .* USING (?:COVERING )?INDEX {_CANDIDATE}(?P<number>\d+) \((?P<terms>.*)\)")


class Step(NamedTuple):
    """A row of EXPLAIN QUERY PLAN."""

    id: int
    parent: int
    detail: str


@dataclass(frozen=True, slots=True)
class Index:
    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    statements: Sequence[str]  # all CREATE statements, tables first
    statistics: Sequence[tuple[object, object, object]] = ()  # rows of sqlite_stat1


def plan_of(execute: Execute, sql: str, params: Params = None) -> list[Step]:
    """Return the plan of a statement, as `execute` answers."""
    rows = execute(Request((Statement(f"EXPLAIN QUERY PLAN {sql}", params),), read_only=True)).rows
    return [Step(int(step or 0), int(parent or 0), str(detail)) for step, parent, _, detail in rows]


def advise_on(execute: Execute, sql: str) -> list[str]:
    """Return the advice for a statement, with the schema as `execute` answers."""
    (schema,) = execute(catalog.statements()).results
    has_statistics = any(name == "sqlite_stat1" for name, _ in schema.rows)
    statistics = execute(catalog.statistics()).rows if has_statistics else []
    made = [str(text) for _, text in schema.rows if text is not None]
    return advise(sql, Schema(made, [(table, index, stat) for table, index, stat in statistics]))


def tree(plan: Sequence[Step], parent: int = 0, indent: str = "") -> Iterator[str]:
    """Yield the lines of the plan, the substeps of a step below it."""
    steps = [step for step in plan if step.parent == parent]
    for step in steps:
        is_last = step is steps[-1]
        yield f"{indent}{'└─' if is_last else '├─'} {step.detail}"
        yield from tree(plan, step.id, indent + ("   " if is_last else "│  "))


def reads_all(plan: Sequence[Step]) -> bool:
    """Return True if the plan reads a whole table, or builds an index for this one run."""
    return any(_READS_ALL.match(step.detail) for step in plan)


def advise(sql: str, schema: Schema) -> list[str]:
    """Return CREATE INDEX statements for SQLite to search instead of reading whole tables."""
    candidates = _candidates(sql, schema)
    wanted = dict.fromkeys(_used(sql, schema, candidates))
    used = dict.fromkeys(_used(sql, schema, list(wanted)))
    taken = {name.lower() for statement in schema.statements for name in possible_names(statement)}
    return [_create(index, taken) for index in used]


def _used(sql: str, schema: Schema, indexes: Sequence[Index]) -> Iterator[Index]:
    """Yield those of `indexes` used by SQLite, cut to the columns used."""
    with closing(_copy(schema)) as connection:
        for number, index in enumerate(indexes):
            columns = ", ".join(map(quote, index.columns))
            connection.execute(f"CREATE INDEX {_CANDIDATE}{number} ON {quote(index.table)} ({columns})")
        # The plan is the same for any values of its parameters.
        any_values = apsw._null_bindings  # type: ignore[attr-defined]  # what apsw.ext itself prepares statements with
        for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}", any_values):
            if found := _SEARCH.match(str(detail)):
                index = indexes[int(found["number"])]
                yield Index(index.table, index.columns[: len(found["terms"].split(" AND "))])


def _candidates(sql: str, schema: Schema) -> list[Index]:
    with closing(_copy(schema)) as connection:
        tables = [
            str(name)
            for name, kind in connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
            if kind == "table" and not str(name).startswith(("sqlite_", "_sldb_"))
        ]
        named = {name.lower() for name in possible_names(sql)}
        views = list(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'view'"))
        for name, text in views * len(views):  # a view may read other views
            if str(name).lower() in named:
                named |= {other.lower() for other in possible_names(str(text))}
        indexes = []
        for table in tables:
            if table.lower() in named:
                tried = [column for column in _columns(connection, table) if column.lower() in named][:MAX_COLUMNS]
                indexes += [Index(table, (column,)) for column in tried]
                indexes += [Index(table, pair) for pair in permutations(tried, 2)]
        return indexes


def _columns(connection: apsw.Connection, table: str) -> list[str]:
    """Return the columns, except the rowid: every index ends with it."""
    found = connection.execute(
        "SELECT name, upper(type) = 'INTEGER', pk FROM pragma_table_info(?)", (table,)
    ).fetchall()
    keys = [name for name, _, pk in found if pk]
    return [str(name) for name, is_integer, _ in found if not (is_integer and keys == [name])]


def _copy(schema: Schema) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for statement in schema.statements:
        try:
            connection.execute(statement)
        except apsw.Error:  # the tables of a virtual one, or a module that is not installed: no advice about those
            continue
    if schema.statistics:
        connection.execute("ANALYZE sqlite_schema")
        connection.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", schema.statistics)
        connection.execute("ANALYZE sqlite_schema")  # reads them
    return connection


def _create(index: Index, taken: set[str]) -> str:
    name = base = "_".join((index.table, *index.columns))
    number = 1
    while name.lower() in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name.lower())
    return f"CREATE INDEX {quote(name)} ON {quote(index.table)} ({', '.join(map(quote, index.columns))});"
