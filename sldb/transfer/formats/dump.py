"""The dump: a database as SQL text. Any SQLite, the `sqlite3` shell and `sldb import` restore it exactly.

Tables with their rows come first, then indexes, views and triggers, so that no trigger runs for old rows. Rowids are
written if counting would not give the same ones. Left out are tables of sldb's own, and ANALYZE's results for STAT4.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Container, Iterable, Iterator

from lambda_handlers.wire import Row, SldbError, Value
from sldb.render import literals
from sldb.render.values import folded
from sldb.transfer.database import schema
from sldb.transfer.database.schema import Schema, Table
from sldb.transfer.database.selection import row_pages
from sldb.transfer.database.snapshot import QueryScan, Snapshot
from sldb.transfer.database.virtual_table import DumpMethod, content_of, dump_method, is_fts5

Counted = Callable[[Iterable[list[Row]]], Iterator[list[Row]]]  # passes pages on, and counts their rows

_SHADOW_ENDINGS = re.compile(r"_[A-Za-z0-9]+")  # after the name of the virtual table


def dump(source: Snapshot) -> Iterator[str]:
    """Yield the text in pieces of whole lines. Raises SldbError."""
    found = schema.read_schema(source)
    settings = _settings(source)
    if source.encoding != "UTF-8":
        yield f"PRAGMA encoding='{source.encoding}';\n"
    yield "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
    methods = _methods(found)
    texts = _TableTexts(source, found, methods)
    for table in found.tables:
        yield from texts.text(table)
    yield from texts.counters()
    yield from (ended(sql) for _, sql in found.indexes)
    yield from (ended(sql) for sql in found.views.values())
    yield from (_rebuild(name) for name, method in methods.items() if method is DumpMethod.REBUILD)
    yield from (ended(sql) for _, sql in found.triggers)
    if DumpMethod.SHADOWS in methods.values():
        yield "PRAGMA writable_schema=OFF;\n"
    yield from (f"PRAGMA {name}={literals.literal(value)};\n" for name, value in settings.items() if value)
    yield "COMMIT;\n"


def virtual_table(
    source: Snapshot, table: Table, counted: Counted = iter, written: Container[Table] = ()
) -> Iterator[str]:
    """Yield the text of one virtual table, with the table that its content is in, if that is another and not `written`
    already. Raises SldbError.

    `counted` passes the pages of its rows on. The index of some modules is copied without reading rows.
    """
    found = schema.read_schema(source)
    methods = _methods(found)
    texts = _TableTexts(source, found, methods, counted)
    content = _content(found, table)
    if content is not None and content not in written:
        yield from texts.text(content)
        yield from (ended(sql) for of_table, sql in found.indexes if of_table == content.name)
    yield from texts.text(table)
    if methods[table.name] is DumpMethod.REBUILD:
        yield _rebuild(table.name)
    if methods[table.name] is DumpMethod.SHADOWS:
        for shadow in shadows(found, table):
            yield from texts.text(shadow)
        yield "PRAGMA writable_schema=OFF;\n"


def shadows(found: Schema, table: Table) -> list[Table]:
    """Return the tables with the data of a virtual one."""
    methods = _methods(found)
    return [each for each in found.tables if each.kind == "shadow" and _owner(each, methods) == table.name]


def _content(found: Schema, table: Table) -> Table | None:
    name = content_of(table.sql)
    if name is None:
        return None
    if (view := next((each for each in found.views if folded(each) == folded(name)), None)) is not None:
        raise SldbError(
            "bad_request",
            f"the content of {table.name} is the view {view}, which is not in a file of one table",
            "export the whole database: without a table; or --query, for the rows alone",
        )
    return found.table(name)


def _methods(found: Schema) -> dict[str, DumpMethod]:
    """Return the method for each virtual table."""
    names = {folded(each) for each in (*(table.name for table in found.tables), *found.views)}
    return {table.name: dump_method(table.sql, names) for table in found.tables if table.kind == "virtual"}


def _owner(shadow: Table, virtual: Iterable[str]) -> str | None:
    """Return the virtual table with its data in this table."""
    owners = [
        name
        for name in virtual
        if folded(shadow.name).startswith(folded(name)) and _SHADOW_ENDINGS.fullmatch(shadow.name[len(name) :])
    ]
    return max(owners, key=len, default=None)


def _settings(source: Snapshot) -> dict[str, Value]:
    values = source.rows("SELECT user_version, application_id FROM pragma_user_version, pragma_application_id")[0]
    return dict(zip(("user_version", "application_id"), values, strict=True))


def ended(sql: str) -> str:
    """Return a statement of sqlite_schema with its end; its last line may be a comment."""
    for end in (";\n", "\n;\n", "*/;\n"):
        if sqlite3.complete_statement(sql + end):
            return sql + end
    return sql + ";\n"


def _rebuild(table: str) -> str:
    name = literals.name(table)
    return f"INSERT INTO {name}({name}) VALUES('rebuild');\n"


def inserts(source: Snapshot, table: Table, *, with_rowids: bool, counted: Counted = iter) -> Iterator[str]:
    """Yield INSERT statements for the rows of a table. Raises SldbError."""
    if with_rowids:
        return _inserts_with_rowids(table, counted(source.scan(table.scan(table.columns))))
    return _inserts(table, counted(row_pages(source, table, table.columns)))


def _inserts(table: Table, pages: Iterator[list[Row]]) -> Iterator[str]:
    """Yield INSERT statements for pages of rows."""
    begin = f"INSERT INTO {literals.name(table.name)}({literals.names(table.columns)}) VALUES("
    for page in pages:
        yield begin + f");\n{begin}".join(literals.rows(page)) + ");\n"


def _inserts_with_rowids(table: Table, pages: Iterator[list[Row]]) -> Iterator[str]:
    """Yield INSERT statements for pages of rows with the rowid first; it is written if counting does not give it."""
    name = literals.name(table.name)
    plain = f"INSERT INTO {name}({literals.names(table.columns)}) VALUES("
    with_rowid = f"INSERT INTO {name}({table.rowid},{literals.names(table.columns)}) VALUES("
    last: object = 0
    for page in pages:
        lines = []
        texts = literals.rows([row[1:] for row in page])
        for rowid, text in zip([row[0] for row in page], texts, strict=True):
            counted = isinstance(last, int) and rowid == last + 1
            lines.append(f"{plain}{text});\n" if counted else f"{with_rowid}{literals.literal(rowid)},{text});\n")
            last = rowid
        yield "".join(lines)


class _TableTexts:
    def __init__(
        self, source: Snapshot, found: Schema, methods: dict[str, DumpMethod], counted: Counted = iter
    ) -> None:
        self._source = source
        self._counted = counted
        self._schema = found
        self._methods = methods
        self._writable = False

    def text(self, table: Table) -> Iterator[str]:
        if table.kind == "virtual":
            yield from self._virtual(table)
        elif table.kind != "shadow" or self._is_kept(table):
            yield ended(table.sql)
            counted = iter if table.kind == "shadow" else self._counted
            yield from inserts(self._source, table, with_rowids=table.must_keep_rowids, counted=counted)

    def counters(self) -> Iterator[str]:
        """Yield the counters of AUTOINCREMENT, and the results of ANALYZE."""
        if self._schema.has_autoincrement:
            yield "DELETE FROM sqlite_sequence;\n"
            yield from self._plain("sqlite_sequence", "name,seq")
        if self._schema.has_statistics:
            yield "ANALYZE sqlite_master;\nDELETE FROM sqlite_stat1;\n"
            yield from self._plain("sqlite_stat1", "tbl,idx,stat", " WHERE tbl NOT LIKE '\\_sldb\\_%' ESCAPE '\\'")

    def _virtual(self, table: Table) -> Iterator[str]:
        method = self._methods[table.name]
        if method is DumpMethod.SHADOWS:
            if not self._writable:
                yield "PRAGMA writable_schema=ON;\n"
                self._writable = True
            values = literals.row(("table", table.name, table.name, 0, table.sql))
            yield f"INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql) VALUES({values});\n"
            return
        yield ended(table.sql)
        if is_fts5(table.sql):
            yield from self._fts5_settings(table)
        if method is DumpMethod.ROWS:
            yield from inserts(self._source, table, with_rowids=is_fts5(table.sql), counted=self._counted)

    def _fts5_settings(self, table: Table) -> Iterator[str]:
        name, shadow = literals.name(table.name), literals.name(f"{table.name}_config")
        for key, value in self._source.rows(f"SELECT k, v FROM {shadow} WHERE k <> 'version'"):
            yield f"INSERT INTO {name}({name},rank) VALUES({literals.literal(key)},{literals.literal(value)});\n"

    def _is_kept(self, shadow: Table) -> bool:
        """Return True if the virtual table of this shadow is dumped by its shadows."""
        owner = _owner(shadow, self._methods)
        return owner is None or self._methods[owner] is DumpMethod.SHADOWS

    def _plain(self, table: str, columns: str, where: str = "") -> Iterator[str]:
        for page in self._source.scan(QueryScan(f"SELECT {columns} FROM {table}{where}")):
            for row in page:
                yield f"INSERT INTO {table}({columns}) VALUES({literals.row(row)});\n"
