"""The dump of some tables and views as SQL text, as `.dump TABLE` of the `sqlite3` shell has it.

A pattern is a name, or one of LIKE. With a table come its indexes and triggers, with a virtual one the tables that its
content is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lambda_handlers.wire import SldbError
from sldb.render.values import folded
from sldb.transfer.database import schema
from sldb.transfer.database.schema import Schema, Table
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.formats import dump


def dump_tables(source: Snapshot, patterns: Sequence[str]) -> Iterator[str]:
    """Yield the text in pieces of whole lines. Raises `not_found` for a pattern without a table or view, and
    `bad_request` for a virtual table over a view."""
    found = schema.read_schema(source)
    names = _matching(found, patterns)
    tables = [table for table in found.tables if table.name in names]
    virtual = [table for table in tables if table.kind == "virtual"]
    theirs = [shadow for table in virtual for shadow in dump.shadows(found, table)]
    plain = [table for table in tables if table not in virtual and table not in theirs]
    yield "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
    for table in plain:
        yield dump.ended(table.sql)
        yield from dump.inserts(source, table, with_rowids=table.must_keep_rowids)
    for table in virtual:
        yield from _virtual(source, table, plain)
    yield from (dump.ended(sql) for of_table, sql in found.indexes if of_table in names)
    yield from (dump.ended(sql) for name, sql in found.views.items() if name in names)
    yield from (dump.ended(sql) for of_table, sql in found.triggers if of_table in names)
    yield "COMMIT;\n"


def _virtual(source: Snapshot, table: Table, written: Sequence[Table]) -> Iterator[str]:
    try:
        yield from dump.virtual_table(source, table, written=written)
    except SldbError as error:
        if error.code == "bad_request":
            error.hint = ".dump without a name writes the whole database"
        raise


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
