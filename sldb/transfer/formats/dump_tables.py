"""The dump of some tables and views as SQL text, as `.dump TABLE` of the `sqlite3` shell has it.

A pattern is a name, or one of LIKE. With a table come its indexes and triggers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lambda_handlers.wire import SldbError
from sldb.render.values import folded
from sldb.transfer.database import schema
from sldb.transfer.database.schema import Schema
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.formats.dump import ended, inserts


def dump_tables(source: Snapshot, patterns: Sequence[str]) -> Iterator[str]:
    """Yield the text in pieces of whole lines. Raises `not_found` for a pattern without a table or view, and
    `bad_request` for a virtual table, whose content is in others."""
    found = schema.read_schema(source)
    names = _matching(found, patterns)
    tables = [table for table in found.tables if table.name in names]
    for table in tables:
        if table.kind == "virtual":
            raise SldbError(
                "bad_request",
                f"{table.name} is a virtual table: its content is in others",
                ".dump without a name writes the whole database",
            )
    yield "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
    for table in tables:
        yield ended(table.sql)
        yield from inserts(source, table, with_rowids=table.must_keep_rowids)
    yield from (ended(sql) for of_table, sql in found.indexes if of_table in names)
    yield from (ended(sql) for name, sql in found.views.items() if name in names)
    yield from (ended(sql) for of_table, sql in found.triggers if of_table in names)
    yield "COMMIT;\n"


def _matching(found: Schema, patterns: Sequence[str]) -> set[str]:
    names = [*(table.name for table in found.tables), *found.views]
    matching: set[str] = set()
    for pattern in patterns:
        same = {name for name in names if folded(name) == folded(pattern)}
        like = same or {name for name in names if _is_like(name, pattern)}
        if not like:
            raise SldbError("not_found", f"no such table or view: {pattern}", ".tables lists them")
        matching |= like
    return matching


def _is_like(name: str, pattern: str) -> bool:
    expression = "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, name, re.IGNORECASE | re.DOTALL) is not None
