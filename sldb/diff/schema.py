"""The schema of one state of a database: its tables, other objects and text encoding, pinned to a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambda_handlers.wire import DATABASE_NAME, Reply, Request, Row, SldbError, Statement
from sldb import moments

_VISIBLE = r"{0} NOT LIKE 'sqlite\_%' ESCAPE '\' AND {0} NOT LIKE '\_sldb\_%' ESCAPE '\'"
_OBJECTS = f"""SELECT type, name, sql FROM sqlite_schema
WHERE {_VISIBLE.format("name")} AND {_VISIBLE.format("tbl_name")}
AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
ORDER BY name"""
_COLUMNS = f"""SELECT t.name, t.type, t.wr, c.name, c.pk FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c
WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND c.hidden <> 1 AND {_VISIBLE.format("t.name")}
ORDER BY t.name, c.cid"""
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True, slots=True)
class State:
    """A state as a user names it: `41`, a time, `staging`, `staging@41`, `staging@2h ago`.

    A text with the syntax of a moment is one: a database with the name `yesterday` is `yesterday@now`.
    """

    database: str
    at: int | str | None  # None: now

    @classmethod
    def parse(cls, text: str, database: str) -> State:
        """Return the state; `database`: the one of a text without a database. Raises `bad_request`."""
        name, separator, moment = text.partition("@")
        if not separator and moments.looks_like_moment(text):
            name, moment = database, text
        if not DATABASE_NAME.fullmatch(name) or (separator and not moment):
            raise SldbError(
                "bad_request",
                f"{text!r} names no state of a database",
                "a txid (41), a time (2026-11-26 20:04, 2h ago, yesterday), a database (staging), or both (staging@41)",
            )
        return cls(name, moments.wire_form(moment, text) if moment else None)


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]  # none: no column can name the rowid


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one state, pinned to its txid."""

    database: str
    txid: int
    time: str | None  # of the transaction, RFC 3339 in UTC; None for the newest state
    objects: dict[tuple[str, str], str]  # (type, name) → SQL
    tables: dict[str, Table]
    encoding: str  # of text: UTF-8, UTF-16le, UTF-16be


def schema_request(state: State) -> Request:
    statements = (Statement(_OBJECTS), Statement(_COLUMNS), Statement("PRAGMA encoding"))
    return Request(statements, state.database, state.at, read_only=True)


def decode_schema(reply: Reply) -> Schema:
    """Return the schema in the reply to `schema_request`."""
    objects, columns, encoding = reply.results
    described: dict[str, list[Row]] = {}
    for row in columns.rows:
        described.setdefault(str(row[0]), []).append(row)
    return Schema(
        reply.database,
        reply.txid,
        reply.time,
        {(str(type_), str(name)): str(sql or "") for type_, name, sql in objects.rows},
        {name: _table(name, rows) for name, rows in described.items()},
        str(encoding.rows[0][0]),
    )


def _table(name: str, rows: Sequence[Row]) -> Table:
    columns = tuple(str(row[3]) for row in rows)
    if rows[0][2]:  # WITHOUT ROWID
        keyed = sorted((row for row in rows if row[4]), key=lambda row: int(row[4] or 0))
        return Table(name, columns, tuple(str(row[3]) for row in keyed))
    taken = {column.lower() for column in columns}
    return Table(name, columns, tuple(name for name in _ROWID_NAMES if name not in taken)[:1])
