"""The estimate of the number of rows of tables, without reading them: the span of their rowids, two look-ups each.

It is exact for a table whose rows were counted up and never deleted, and too high for others. Nothing but a display may
depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sldb.progress.protocol import Progress
from sldb.render import literals
from sldb.transfer.database import schema
from sldb.transfer.database.schema import Table
from sldb.transfer.database.selection import Selection
from sldb.transfer.database.snapshot import Snapshot

_MIN_ROW_BYTES = 4  # of a database: with more rows than that, the rowids are not counted up
_SIZE = "(SELECT page_count*page_size FROM pragma_page_count,pragma_page_size)"
_MAX_TABLES = 100  # of one query


def begin_rows(progress: Progress, what: str, source: Snapshot, selection: Selection | None = None) -> None:
    """Begin the step that reads the rows of a selection, or (None) of all tables. Raises SldbError."""
    total = None
    if progress.is_shown and (selection is None or selection.table is not None):
        all_tables = schema.read_schema(source).tables if selection is None else [selection.table]
        total = estimate_rows(source, [table for table in all_tables if table is not None and table.kind == "table"])
    progress.begin(what, rows=total)


def estimate_rows(source: Snapshot, tables: Sequence[Table]) -> int | None:
    """Return the estimate for all the tables together, None if there is none. Raises SldbError."""
    if not tables or len(tables) > _MAX_TABLES or any(table.rowid is None for table in tables):
        return None
    spans = ",".join(_span(table) for table in tables)
    size, *rows = source.rows(f"SELECT (SELECT page_count*page_size FROM pragma_page_count,pragma_page_size),{spans}")[
        0
    ]
    total = sum(int(each or 0) for each in rows)
    return total if total <= int(size or 0) // _MIN_ROW_BYTES else None


def _span(table: Table) -> str:
    """Return the SQL of the span. SQLite looks max and min up only if each has a SELECT of its own; REAL: they may be
    far apart."""
    name, rowid = literals.name(table.name), table.rowid
    return f"CAST((SELECT max({rowid})-0.0 FROM {name})-(SELECT min({rowid}) FROM {name})+1 AS INTEGER)"
