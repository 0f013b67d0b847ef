"""The selection for an export: the rows of one table, view or query of a database at one transaction."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from lambda_handlers.wire import Row, SldbError
from sldb.render import literals
from sldb.render.values import folded
from sldb.transfer.database import schema
from sldb.transfer.database.schema import Table
from sldb.transfer.database.snapshot import QueryScan, Snapshot

_QUERY = re.compile(r"\s*(SELECT|WITH|VALUES|PRAGMA)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows to be exported, with a name and columns."""

    name: str
    columns: tuple[str, ...]
    query: str  # a SELECT of the same rows
    pages: Iterator[list[Row]]  # to be read once
    table: Table | None = None  # if it is one

    @property
    def rows(self) -> Iterator[Row]:
        """The rows of all pages, to be read once."""
        return chain.from_iterable(self.pages)


def row_pages(source: Snapshot, of: Table, columns: tuple[str, ...]) -> Iterator[list[Row]]:
    """Yield the rows of a table in pages, without their rowids. Raises SldbError."""
    if (scan := of.key_scan(columns)) is not None:
        return source.scan(scan)
    return ([row[1:] for row in page] for page in source.scan(of.scan(columns)))


def table(source: Snapshot, name: str, *, is_to_insert: bool = False) -> Selection:
    """Select a table or a view. `is_to_insert`: without generated columns, which take no values. Raises `not_found`."""
    found = schema.read_schema(source)
    if (one := found.table(name)) is not None:
        columns = one.columns if is_to_insert else one.shown
        text = f"SELECT {literals.names(columns)} FROM {literals.name(one.name)}"
        return Selection(one.name, columns, text, row_pages(source, one, columns), one)
    view = next((view for view in found.views if folded(view) == folded(name)), None)
    if view is None:
        there = ", ".join([*(each.name for each in found.tables if each.kind != "shadow"), *found.views])
        hint = f"there are: {there or 'none'}"
        if _QUERY.match(name):
            hint = f"for the rows of a query: --query {shlex.quote(name)}"
        raise SldbError("not_found", f"{source.database} has no table or view {name}", hint)
    return query(source, f"SELECT * FROM {literals.name(view)}", view)


def query(source: Snapshot, sql: str, name: str) -> Selection:
    """Select the rows of a SELECT, or of another statement that returns rows (all in one reply)."""
    text = sql.strip().rstrip(";").rstrip()
    try:
        columns = source.columns(text)
    except SldbError as error:
        if error.code != "sql_error":
            raise
        result = source.result(sql)  # not a SELECT, or wrong: then SQLite's message is about the original text
        return Selection(name, tuple(column.name for column in result.columns), sql, iter([result.rows]))
    return Selection(name, tuple(column.name for column in columns), text, source.scan(QueryScan(text)))
