"""The rows that a database refuses, and why: found by dry runs after a request with all rows has failed.

The rows stand in a table whose rowids are their numbers: the staging database, or temporary tables of the dry run.
Errors at a row are found by `row_search`. Foreign keys are checked when all rows are there, and then the rows are those
whose key no row of the parent has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lambda_handlers.wire import Request, Result, Row, SldbError, Statement
from sldb.client import Client
from sldb.render import literals
from sldb.render.values import folded
from sldb.transfer.batches import Batch
from sldb.transfer.ignored_rows import IgnoredRows
from sldb.transfer.loaded_stream import LoadedStream, Refusal, column_named
from sldb.transfer.loader import Loader
from sldb.transfer.rejects import MAX_SHOWN
from sldb.transfer.row_search import Found, RowSearch, RowsInsert
from sldb.transfer.staging import attach_statement, cell_names, insert_statements, staged_table

_OF_ROWS = ("constraint", "sql_error")  # codes of errors that a row may cause
_GIVES_UP = (*_OF_ROWS, "bad_request", "query_timeout", "too_large")  # of the search: the first error stands
_MANY = 200  # ranges of rows that are refused: then one pass is quicker
_MAX_ORPHANS = 20_000  # of one search
_FOREIGN_KEYS = (
    'SELECT f.id, f."table", f."from", coalesce(f."to", (SELECT name FROM pragma_table_info(f."table") '
    "WHERE pk = f.seq + 1)) FROM pragma_foreign_key_list(?) f ORDER BY f.id, f.seq"
)


@dataclass(frozen=True, slots=True)
class Source:
    """The tables with the rows of an import."""

    statements: tuple[Statement, ...]  # that open or make them
    tables: Mapping[int, str]  # by the place of a stream


def staged_source(staging: str, loaded: Sequence[LoadedStream]) -> Source:
    """Return the tables of the staging database."""
    return Source((attach_statement(staging),), {place: staged_table(place) for place in range(len(loaded))})


def direct_source(loaded: Sequence[LoadedStream], batches: Mapping[int, Iterable[Batch]]) -> Source:
    """Return temporary tables that are filled by the request itself."""
    tables = {place: f"temp.sldb_staging_{place}" for place in range(len(loaded))}
    statements = []
    for place, table in tables.items():
        width = len(loaded[place].stream.columns)
        if width:
            statements.append(Statement(f"CREATE TABLE {table} ({','.join(cell_names(width))})"))
            for batch in batches.get(place, ()):
                statements += insert_statements(table, width, batch.rows)
    return Source(tuple(statements), tables)


class RefusedRows:
    """The search of one import, after its last step has failed."""

    def __init__(self, client: Client, loader: Loader, loaded: Sequence[LoadedStream], source: Source) -> None:
        self._client = client
        self._loader = loader
        self._loaded = loaded
        self._source = source

    def find(self, error: SldbError, only_first: bool) -> list[Refusal]:
        """Return the rows that the error is about, in their order; none if it is about no row. Raises SldbError."""
        if error.code not in _OF_ROWS:
            return []
        try:
            search = self._search()
            found = search.first() if only_first else search.few(_MANY)
            if found is None:
                found = self._by_one_pass()
            if found is None:
                search = self._search()
                found = search.all()
            if found:
                return [self._refusal(each.place, each.row, each.error) for each in found]
            return sorted(self._orphans(search), key=_order)[: 1 if only_first else None]
        except SldbError as other:
            if other.code not in _GIVES_UP:
                raise
            return []

    def _search(self) -> RowSearch:
        return RowSearch(self._run, list(self._steps()), self._refused())

    def _by_one_pass(self) -> list[Found] | None:
        try:
            return IgnoredRows(self._run, list(self._steps()), self._refused(), MAX_SHOWN).find()
        except SldbError as error:
            if error.code not in _GIVES_UP:
                raise
            return None  # for example, a view has fewer columns than a table can

    def _steps(self) -> Iterator[Statement | RowsInsert]:
        return self._loader.statements(lambda place: self._loader.rows_insert(place, self._source.tables[place]))

    def _refused(self) -> dict[int, list[int]]:
        return {place: sorted(loaded.refused) for place, loaded in enumerate(self._loaded)}

    def _refusal(self, place: int, row: int, error: SldbError) -> Refusal:
        stream = self._loaded[place].stream
        return Refusal(place, row, error.message, column_named(error, stream.table, stream.columns))

    def _run(self, statements: Sequence[Statement]) -> Sequence[Result]:
        """Run the statements in a transaction that is rolled back, each whatever the others did."""
        settings = self._loader.foreign_keys()  # to defer them holds for a transaction, to ignore them has to be before
        before = (settings, *self._source.statements, Statement("BEGIN"), settings)
        request = Request((*before, *statements, Statement("ROLLBACK")), dry_run=True, on_error="continue")
        results = self._client.execute(request).results
        for result in results[: len(before)]:
            if result.error:
                raise result.error
        return results[len(before) : -1]

    # Foreign keys

    def _orphans(self, search: RowSearch) -> Iterator[Refusal]:
        """Yield the rows without the row that they refer to, once all others are there."""
        inserted = search.accepted()
        tables = list(dict.fromkeys(loaded.stream.table for loaded in self._loaded))
        listed = self._rows_of(inserted, [Statement(_FOREIGN_KEYS, (table,)) for table in tables])
        checks: list[tuple[int, str, str, Statement]] = []
        for table, rows in zip(tables, listed, strict=True):
            checks += self._checks(table, rows)
        found = self._rows_of(inserted, [check for *_, check in checks])
        seen: set[tuple[int, int]] = set()
        for (place, column, parent, _), rows in zip(checks, found, strict=True):
            for (row,) in rows:
                assert isinstance(row, int)
                if (place, row) not in seen:
                    seen.add((place, row))
                    reason = f"FOREIGN KEY constraint failed: {column} is in no row of {parent}"
                    yield Refusal(place, row, reason, column)

    def _rows_of(self, inserted: Sequence[Statement], queries: Sequence[Statement]) -> list[list[Row]]:
        results = self._run([*inserted, *queries])[len(inserted) :]
        for result in results:
            if result.error:
                raise result.error
        return [list(result.rows) for result in results]

    def _checks(self, table: str, keys: Sequence[Row]) -> Iterator[tuple[int, str, str, Statement]]:
        """Yield place, column, parent and query of the rows that violate each foreign key of a table."""
        by_id: dict[object, list[tuple[str, str, str]]] = {}
        for number, parent, child, of_parent in keys:
            by_id.setdefault(number, []).append((str(parent), str(child), str(of_parent)))
        for pairs in by_id.values():
            for place, loaded in enumerate(self._loaded):
                values = {folded(name): value for name, value in self._loader.source_values(place).items()}
                if folded(loaded.stream.table) == folded(table) and all(folded(pair[1]) in values for pair in pairs):
                    without = sorted(loaded.refused)
                    query = _orphan_query(table, pairs, values, self._source.tables[place])
                    names = ", ".join(child for _, child, _ in pairs)
                    yield place, names, pairs[0][0], Statement(query, (json.dumps(without),))


def _order(refusal: Refusal) -> tuple[int, int]:
    return refusal.place, refusal.row


def _orphan_query(table: str, pairs: Sequence[tuple[str, str, str]], values: Mapping[str, str], source: str) -> str:
    """Return the query for the rows of the source whose key no row of the parent has. The keys are taken from the table
    that they were inserted into, so that they have the affinities of its columns."""
    children = [literals.name(child) for _, child, _ in pairs]
    parents = [literals.name(of_parent) for _, _, of_parent in pairs]
    there = " AND ".join(f"p.{parent} = t.{child}" for parent, child in zip(parents, children, strict=True))
    present = " AND ".join(f"t.{child} IS NOT NULL" for child in children)
    selected = ", ".join(f"t.{child} AS k{number}" for number, child in enumerate(children))
    same = " AND ".join(f"o.k{number} = {values[folded(child)]}" for number, (_, child, _) in enumerate(pairs))
    return (
        f"WITH o AS MATERIALIZED (SELECT DISTINCT {selected} FROM main.{literals.name(table)} t WHERE {present} "
        f"AND NOT EXISTS (SELECT 1 FROM main.{literals.name(pairs[0][0])} p WHERE {there})) "
        f"SELECT s.rowid FROM {source} s, o WHERE {same} AND s.rowid NOT IN (SELECT value FROM json_each(?)) "
        f"ORDER BY s.rowid LIMIT {_MAX_ORPHANS}"
    )
