"""The results of statements as SQL over HTTP shows them.

`rows_read` counts the rows that a statement returned: SQLite's own count of the rows that it stepped through costs time
for each row. `query_duration_ms` of the steps of a batch is that of all of them, at the first one.
"""

from __future__ import annotations

import re
from typing import Any

from lambda_handlers.http.bodies import StreamedRows
from lambda_handlers.wire import Column, Result

_CHANGES = ("INSERT", "REPLACE", "UPDATE", "DELETE")
_READS = ("SELECT", "VALUES")
# Places of a statement whose words are no keywords of its own.
_WORDS = re.compile(
    r"""'[^']*' | "[^"]*" | `[^`]*` | \[[^\]]*\] | --[^\n]* | /\*.*?\*/ | [(] | [)] | \w+""", re.VERBOSE | re.DOTALL
)


def columns_of(columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    return [{"name": column.name, "decltype": column.type} for column in columns]


def changed_rows(result: Result, sql: str) -> int:
    """Return the rows that a statement has changed. `rowcount` counts the returned ones of those that only read."""
    return result.rowcount if not result.columns or _has_changed(sql) else 0


def rowid_of(result: Result, changed: int) -> int | None:
    return result.lastrowid if changed else None


def statement_result(result: Result, rows: StreamedRows, sql: str, duration_ms: float) -> dict[str, Any]:
    """Return the result of an executed statement. `rows`: those to show; `sql`: its text."""
    changed = changed_rows(result, sql)
    rowid = rowid_of(result, changed)
    return {
        "cols": columns_of(result.columns),
        "rows": rows,
        "affected_row_count": changed,
        "last_insert_rowid": None if rowid is None else str(rowid),
        "rows_read": len(result.rows) if result.stored is None else result.stored.count,
        "rows_written": changed,
        "query_duration_ms": duration_ms,
    }


def _has_changed(sql: str) -> bool:
    """Return True for a statement with rows that inserts, updates or deletes: one with RETURNING."""
    depth = 0
    for match in _WORDS.finditer(sql):
        word = match[0].upper()
        depth += (word == "(") - (word == ")")
        if depth == 0 and word in _CHANGES:
            return True
        if word != "WITH" and depth == 0 and (word in _READS or word in ("PRAGMA", "EXPLAIN")):
            return False
    return False
