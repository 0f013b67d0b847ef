"""What differs between two states of one stack's databases: pure, statements for the server and what their rows mean.

A state is a database at a transaction. Both are read in one request (but where their text encodings differ, see
`sldb.diff.copies`): the later one is `main`, the earlier one is
attached as `before`, each at its txid, so that writers do not get in between.

Rows are the same row if they have the same key: the rowid, or the primary key of a table WITHOUT ROWID. Values are
compared exactly: 1 is not 1.0, and 'a' is not 'A' whatever the column's collation. Of a table whose columns changed,
those are compared that both have. What a virtual table keeps in tables of its own is compared as that virtual table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lambda_handlers.wire import DATABASE_NAME, Reply, Request, Result, Row, SldbError, Statement, Value
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
    """What a user may name: `41`, a time, `staging`, `staging@41`, `staging@2h ago`. What can be read as a moment is
    one: a database that is called `yesterday` is `yesterday@now`."""

    database: str
    at: int | str | None  # None: now

    @classmethod
    def parse(cls, text: str, database: str) -> State:
        """`database`: where none is named. Raises `bad_request`."""
        name, separator, moment = text.partition("@")
        if not separator and moments.looks_like_one(text):
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
    """Of one state, which is pinned to its txid."""

    database: str
    txid: int
    time: str | None  # when that was made, RFC 3339 in UTC; None for what is newest
    objects: dict[tuple[str, str], str]  # (type, name) → SQL
    tables: dict[str, Table]
    encoding: str  # of text: UTF-8, UTF-16le, UTF-16be


@dataclass(frozen=True, slots=True)
class Change:
    """How one table, index, view or trigger differs. Numbers of rows are None for what has none."""

    name: str
    type: str
    schema: str  # "created", "dropped", "altered" or ""
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    before: int | None = None  # rows in all
    after: int | None = None

    @property
    def has_rows(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def is_none(self) -> bool:
        return not (self.schema or self.has_rows)


@dataclass(frozen=True, slots=True)
class RowChange:
    table: str
    change: str  # "added", "removed" or "changed"
    key: dict[str, Value]
    before: dict[str, Value] | None
    after: dict[str, Value] | None


def ask_schema(state: State) -> Request:
    asked = (Statement(_OBJECTS), Statement(_COLUMNS), Statement("PRAGMA encoding"))
    return Request(asked, state.database, state.at, read_only=True)


def schema_of(reply: Reply) -> Schema:
    """Return what the reply to `ask_schema` says."""
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


@dataclass(frozen=True, slots=True)
class Comparison:
    before: Schema
    after: Schema
    only: Sequence[str] = ()  # these tables; none: all

    @property
    def title(self) -> str:
        return " → ".join(f"{state.database}@{state.txid}" for state in (self.before, self.after))

    @property
    def is_attachable(self) -> bool:
        """Return whether one request can read both: SQLite attaches only databases of one text encoding."""
        return self.before.encoding == self.after.encoding

    @property
    def tables(self) -> list[tuple[Table | None, Table | None]]:
        """Each table before and after; None where it is not there. Raises `not_found` for one that never is."""
        names = sorted(self.before.tables.keys() | self.after.tables.keys())
        if missing := set(self.only) - set(names):
            raise SldbError("not_found", f"neither state has a table {min(missing)}", ".tables lists them")
        pairs = [(self.before.tables.get(name), self.after.tables.get(name)) for name in names]
        return [pair for name, pair in zip(names, pairs, strict=True) if not self.only or name in self.only]

    def ask_counts(self) -> Request:
        return self._ask(_counts(before, after) for before, after in self.tables)

    def ask_rows(self, tables: Sequence[str], limit: int) -> Request:
        """The rows that differ, of each of these tables, at most so many each."""
        pairs = {(before or after).name: (before, after) for before, after in self.tables if before or after}  # type: ignore[union-attr]  # one of them is there
        return self._ask(_rows(*pairs[name], limit) for name in tables)

    def changes(self, results: Sequence[Result]) -> list[Change]:
        """What differs at all, tables first. `results`: of `ask_counts`."""
        found = []
        counts = {str(row[0]): row[1:] for result in results if result.columns for row in result.rows}
        for name, numbers in counts.items():
            change = Change(name, "table", self._schema_change("table", name), *map(_whole, numbers))
            found.append(change)
        for type_, name in sorted(self.before.objects.keys() | self.after.objects.keys()):
            if type_ != "table" and not self.only:
                found.append(Change(name, type_, self._schema_change(type_, name)))
        return [change for change in found if not change.is_none]

    def row_changes(self, results: Sequence[Result]) -> Iterator[RowChange]:
        """`results`: of `ask_rows`."""
        for result in results:
            for row in result.rows:
                yield _row_change([column.name for column in result.columns], row)

    def _schema_change(self, type_: str, name: str) -> str:
        before, after = self.before.objects.get((type_, name)), self.after.objects.get((type_, name))
        if before == after:
            return ""
        return "created" if before is None else "dropped" if after is None else "altered"

    def _ask(self, queries: Iterator[str]) -> Request:
        attach = Statement(f"ATTACH '{self.before.database}@{self.before.txid}' AS before")
        statements = (attach, *(Statement(query) for query in queries))
        return Request(statements, self.after.database, self.after.txid, read_only=True)


def _counts(before: Table | None, after: Table | None) -> str:
    """One row: name, added, removed, changed, rows before, rows after."""
    there = after or before
    assert there is not None
    label = _text(there.name)
    old, new = f"before.{_quoted(there.name)}", f"main.{_quoted(there.name)}"
    if before is None or after is None:
        count = f"(SELECT count(*) FROM {new if after else old} NOT INDEXED)"
        added, removed = (count, "0") if after else ("0", count)
        return f"SELECT {label}, {added}, {removed}, 0, {removed}, {added}"
    # SQLite counts by an index where there is one, whose collation only the program may have which made the database.
    totals = f"(SELECT count(*) FROM {old} NOT INDEXED), (SELECT count(*) FROM {new} NOT INDEXED)"
    match = _same_row(before, after)
    if match is None:  # a row is what it holds
        columns = ", ".join(map(_quoted, _common(before, after)))
        one, other = f"SELECT {columns} FROM {new}", f"SELECT {columns} FROM {old}"
        added, removed = (
            f"(SELECT count(*) FROM ({one} EXCEPT {other}))",
            f"(SELECT count(*) FROM ({other} EXCEPT {one}))",
        )
        return f"SELECT {label}, {added}, {removed}, 0, {totals}"
    added = f"(SELECT count(*) FROM {new} AS b WHERE NOT EXISTS (SELECT 1 FROM {old} AS a WHERE {match}))"
    removed = f"(SELECT count(*) FROM {old} AS a WHERE NOT EXISTS (SELECT 1 FROM {new} AS b WHERE {match}))"
    changed = f"(SELECT count(*) FROM {new} AS b JOIN {old} AS a ON {match} WHERE {_differs(before, after)})"
    return f"SELECT {label}, {added}, {removed}, {changed}, {totals}"


def _rows(before: Table | None, after: Table | None, limit: int) -> str:
    """Rows: table, change, the key's columns, then every column before (NULL where it was not) and after."""
    there = after or before
    assert there is not None
    old, new = f"before.{_quoted(there.name)}", f"main.{_quoted(there.name)}"
    match = before and after and _same_row(before, after)
    parts = []
    if after and (match or not before):
        absent = f" WHERE NOT EXISTS (SELECT 1 FROM {old} AS a WHERE {match})" if before else ""
        parts.append(_select(there.name, "added", before, after, f"{new} AS b{absent}"))
    if before and (match or not after):
        absent = f" WHERE NOT EXISTS (SELECT 1 FROM {new} AS b WHERE {match})" if after else ""
        parts.append(_select(there.name, "removed", before, after, f"{old} AS a{absent}"))
    if before and after and match:
        joined = f"{new} AS b JOIN {old} AS a ON {match} WHERE {_differs(before, after)}"
        parts.append(_select(there.name, "changed", before, after, joined))
    if not parts:
        raise SldbError("bad_request", f"the rows of {there.name} cannot be told apart: no column names its rowid")
    return " UNION ALL ".join(parts) + f" LIMIT {limit}"


def _select(name: str, change: str, before: Table | None, after: Table | None, source: str) -> str:
    row = "a" if change == "removed" else "b"
    key = [f"{row}.{_quoted(column)} AS {_quoted('key.' + column)}" for column in (after or before or _NOTHING).key]
    columns = [
        (side, table, column) for side, table in (("a", before), ("b", after)) if table for column in table.columns
    ]
    values = []
    for side, _, column in columns:
        is_there = change == "changed" or side == row
        label = ("before." if side == "a" else "after.") + column
        values.append(f"{f'{side}.{_quoted(column)}' if is_there else 'NULL'} AS {_quoted(label)}")
    return f"SELECT {_text(name)}, {_text(change)}, {', '.join([*key, *values])} FROM {source}"


_NOTHING = Table("", (), ())


def _row_change(names: Sequence[str], row: Row) -> RowChange:
    sides: dict[str, dict[str, Value]] = {"key": {}, "before": {}, "after": {}}
    for name, value in zip(names[2:], row[2:], strict=True):
        side, _, column = name.partition(".")
        sides[side][column] = value
    change = str(row[1])
    before, after = sides["before"] if change != "added" else None, sides["after"] if change != "removed" else None
    return RowChange(str(row[0]), change, sides["key"], before, after)


def _same_row(before: Table, after: Table) -> str | None:
    """None where rows have no key that both states know."""
    if not before.key or before.key != after.key:
        return None
    return " AND ".join(f"a.{_quoted(column)} = b.{_quoted(column)}" for column in before.key)


def _differs(before: Table, after: Table) -> str:
    columns = [_quoted(column) for column in _common(before, after)]
    tests = [f"a.{c} IS NOT b.{c} COLLATE BINARY OR typeof(a.{c}) <> typeof(b.{c})" for c in columns]
    while len(tests) > 1:  # a tree of ORs is as deep as its logarithm, a row of them as it is long
        pairs = [tests[at : at + 2] for at in range(0, len(tests), 2)]
        tests = [f"({' OR '.join(pair)})" for pair in pairs]
    return tests[0] if tests else "0"


def _common(before: Table, after: Table) -> list[str]:
    known = {column.lower() for column in before.columns}
    return [column for column in after.columns if column.lower() in known]


def _whole(number: Value) -> int:
    assert isinstance(number, int)
    return number


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
