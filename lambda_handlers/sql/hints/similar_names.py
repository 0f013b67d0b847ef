"""The names that a missing one may stand for: tables, columns of the tables that a statement names, functions.

They are read from the schema that SQLite has already read for the statement, after its error: without one, nothing of
this is loaded, and the store is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import apsw

from lambda_handlers.shared.did_you_mean import closest
from lambda_handlers.shared.function_names import NAMES
from lambda_handlers.sql.own.own_tables import is_ours
from lambda_handlers.wire import SldbError

_OBJECTS = {"no_such_table": "type IN ('table', 'view')"} | {
    f"no_such_{kind}": f"type = '{kind}'" for kind in ("index", "view", "trigger")
}
_INTERNAL = ("sqlite_", "fts5_", "rtree", "geopoly_")


def find(reason: str, name: str, sql: str, trusted: Callable[[Callable[[apsw.Connection], Any]], Any]) -> list[str]:
    """Return the names like `name`, which the statement `sql` lacks for that reason. `trusted` runs statements of
    sldb's own."""

    def names(connection: apsw.Connection) -> list[str]:
        return [each for each in _known(connection, reason, sql) if not is_ours(each)]

    try:
        return closest(name, trusted(names))
    except SldbError:  # the time is over, or a page is damaged: the statement's own error is the one to report
        return []


def _known(connection: apsw.Connection, reason: str, sql: str) -> Iterator[str]:
    if reason == "no_such_column":
        yield from _columns(connection, sql)
    elif reason == "no_such_function":
        names = _first(connection, "PRAGMA function_list")
        yield from (name for name in names if name.isidentifier() and not name.startswith(_INTERNAL))
        yield from NAMES
    elif reason in _OBJECTS:
        names = _first(connection, f"SELECT name FROM main.sqlite_schema WHERE {_OBJECTS[reason]}")
        yield from (name for name in names if not name.startswith("sqlite_"))


def _columns(connection: apsw.Connection, sql: str) -> Iterator[str]:
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    for table in _first(connection, "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view')"):
        if table.lower() in words:
            quoted = table.replace('"', '""')
            yield from (str(row[1]) for row in connection.execute(f'PRAGMA main.table_xinfo("{quoted}")'))


def _first(connection: apsw.Connection, query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query)]
