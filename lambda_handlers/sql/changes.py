"""What statements change, and which of them destroy: counted by SQLite while they run, not read from their text.

Counted are the rows of the request's own database, by whatever way they change: WITH … DELETE, REPLACE, cascades,
triggers of whatever table or view, temporary ones too. A statement destroys where it

    delete       removes rows that were there before it
    replace      puts rows in the place of others in the table that it names (REPLACE, OR REPLACE)
    update       changes every row that a table has
    drop_table   drops a table
    drop_column  drops a column

unless the request itself has made the table. Virtual tables count the rows that a statement names, not those of the
tables that they keep their data in; what triggers remove from one is seen by the table that has an entry for each of
its rows.

How many rows a table had is counted, but not beyond MOST_COUNTED where the statement did not itself come to more: the
pages of a large table are not here.

An apsw without the preupdate hook (3.50.1, of Lambda's runtimes on Amazon Linux 2) leaves what a statement says of
itself: the rows that it names are counted. What REPLACE replaced, and what triggers and cascades deleted, is then told
by counting the tables before and after, if that is within MOST_COUNTED; an upsert cannot be told from a REPLACE.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import apsw

from lambda_handlers.sql.authorizer import Authorizer, is_shadow
from lambda_handlers.sql.own_tables import OUR_TABLES

MOST_COUNTED = 10_000
OPERATIONS = ("insert", "update", "delete")
_NOT_THE_USERS = ("sqlite_", OUR_TABLES)
_ENTRIES = ("_content", "_rowid")  # of the tables in which FTS3 to FTS5 and R-trees have an entry for each row
_CONTENTLESS = re.compile(r"content\s*=\s*(''|\"\")", re.IGNORECASE)
_ENTRIES_OF_CONTENTLESS = "_docsize"
_VERBS = {
    "delete": "deletes",
    "replace": "replaces",
    "update": "changes",
}


@dataclass(frozen=True, slots=True)
class _Savepoint:
    """What was seen up to it."""

    name: str
    total: Counter[tuple[str, str]]
    destroys: list[dict[str, Any]]
    made: set[str]


@dataclass(slots=True)
class _Rows:
    """What a statement did to the rows of a table that were there before it."""

    removed: int = 0
    removed_directly: int = 0  # by no trigger and no cascade
    updated: int = 0
    put_back: int = 0  # of the removed, by their rowids
    fewer: int | None = None  # rows than before, where the table's own changes do not tell
    # Rowids; beyond MOST_COUNTED of them a row may be taken for an older one. 0 is perhaps that of a table without.
    _added: set[int] = field(default_factory=set)
    _removed: set[int] = field(default_factory=set)
    _updated: set[int] = field(default_factory=set)

    def note(self, change: apsw.PreUpdate) -> None:
        rowid, rowid_new = change.rowid, change.rowid_new
        is_new = rowid in self._added
        self._added.discard(rowid)
        was_updated = rowid in self._updated
        self._updated.discard(rowid)
        if change.op == "INSERT":
            self.put_back += rowid_new in self._removed
            _remember(self._added, rowid_new)
        elif change.op == "DELETE":
            self.removed += not is_new
            self.removed_directly += not is_new and not change.depth
            _remember(self._removed, 0 if is_new else rowid)
        elif is_new:
            _remember(self._added, rowid_new)
        else:
            self.updated += not was_updated
            _remember(self._updated, rowid_new)


def _remember(rowids: set[int], rowid: int) -> None:
    if rowid and len(rowids) < MOST_COUNTED:
        rowids.add(rowid)


class Changes:
    """Of one session. Call `begin` when a statement that writes is prepared, `end` when it has run."""

    def __init__(self, connection: apsw.Connection, authorizer: Authorizer) -> None:
        self._connection = connection
        self._authorizer = authorizer
        self._total: Counter[tuple[str, str]] = Counter()  # (table, operation) → rows
        self._all: Counter[tuple[str, str]] = Counter()  # of the statement that runs
        self._rows: dict[str, _Rows] = {}  # by table, of the statement that runs
        self._made: set[str] = set()  # tables that the request has made, in lower case
        self._row_change = ("", "")  # of the statement that ran last
        self._makes = ""  # the table that the statement makes
        self._dropped_rows: int | None = None
        # How many rows there were where no hook tells of them: in the table that is written to, and in those that
        # triggers and cascades delete from.
        self._rows_then: int | None = None
        self._others_then: dict[str, int | None] = {}
        self._columns: list[str] = []
        self.destroys: list[dict[str, Any]] = []
        self._savepoints: list[_Savepoint] = []
        self._sees_rows = hasattr(connection, "preupdate_hook")
        if self._sees_rows:
            connection.preupdate_hook(self._note)

    @property
    def by_table(self) -> dict[str, dict[str, int]]:
        """Table → rows inserted, updated and deleted; only tables of which rows were."""
        tables = sorted({table for table, _ in self._total})
        return {table: {operation: self._total[table, operation] for operation in OPERATIONS} for table in tables}

    def begin(self) -> None:
        self._all.clear()
        self._rows.clear()
        self._makes = ""
        if not self._sees_rows:
            action, written = self._authorizer.row_change()
            self._rows_then = self._rows_now(action, written)
            others = {other for other in self._authorizer.deletes_from if not other.startswith(_NOT_THE_USERS)}
            self._others_then = {other: self._count(other) for other in others - {written} if self._columns_of(other)}
        done, table = self._authorizer.schema_action, self._authorizer.schema_name
        if done in ("CREATE TABLE", "CREATE VIRTUAL TABLE"):
            if not self._columns_of(table):  # IF NOT EXISTS makes none where there is one
                self._makes = table
                self._made.add(table.lower())
        elif done in ("DROP TABLE", "DROP VIRTUAL TABLE"):
            self._dropped_rows = self._count(table)
        elif done == "ALTER TABLE":
            self._columns = self._columns_of(table)

    def end(self, statement: int) -> None:
        """`statement`: its position in the request."""
        virtual = self._virtual_tables()
        self._row_change = self._authorizer.row_change(virtual)
        self._sort_out_virtual(virtual)
        self._count_made()
        self._total += self._all  # leaves out what is 0
        for destroyed in self._destroyed():
            if destroyed["table"].lower() not in self._made:
                self._add(statement, destroyed)
        if self._authorizer.schema_action == "ALTER TABLE":
            self._made.clear()  # perhaps a rename: what the names stand for now is not followed

    def savepoint_passed(self) -> None:
        """The statement that ran was perhaps a SAVEPOINT, RELEASE or ROLLBACK TO: what was undone has not been."""
        done, name = self._authorizer.savepoint
        if done == "BEGIN":
            self._savepoints.append(_Savepoint(name, self._total.copy(), _copied(self.destroys), self._made.copy()))
            return
        newest = max((i for i, one in enumerate(self._savepoints) if one.name == name), default=None)
        if newest is None:
            return
        if done == "RELEASE":
            del self._savepoints[newest:]
        elif done == "ROLLBACK":
            then = self._savepoints[newest]
            self._total, self._made = then.total.copy(), then.made.copy()
            self.destroys = _copied(then.destroys)
            del self._savepoints[newest + 1 :]

    def _note(self, change: apsw.PreUpdate) -> None:
        table = change.table_name
        if change.database_name != "main" or table.startswith(_NOT_THE_USERS):
            return
        self._all[table, change.op.lower()] += 1
        self._rows.setdefault(table, _Rows()).note(change)

    def _sort_out_virtual(self, virtual: set[str]) -> None:
        """Leave out the tables that virtual tables keep their data in, and count what the statement says of itself."""
        entries = {table: self._entries(table) for table in virtual}
        for key in [key for key in self._all if is_shadow(key[0], virtual)]:
            del self._all[key]
        self._rows = {table: rows for table, rows in self._rows.items() if not is_shadow(table, virtual)}
        self._rows.update((table, rows) for table, rows in entries.items() if rows is not None)
        action, table = self._row_change
        if action and not self._authorizer.schema_action and (table in virtual or not self._sees_rows):
            rows = self._connection.changes()
            if rows and not table.startswith(_NOT_THE_USERS):
                self._note_told(action, table, rows)
        self._note_others()

    def _entries(self, virtual_table: str) -> _Rows | None:
        """What became of the rows of a virtual table, by its table with an entry for each; None if nothing did."""
        names = [virtual_table + ending for ending in _ENTRIES]
        if _CONTENTLESS.search(self._sql_of(virtual_table)):
            names.append(virtual_table + _ENTRIES_OF_CONTENTLESS)
        name = next((name for name in names if name in self._rows), "")
        if not name or not self._rows[name].removed:
            return None
        seen = self._rows[name]
        # An entry that is made anew is of a row that was changed, or replaced.
        replaced = seen.put_back if self._row_change == ("INSERT", virtual_table) else 0
        found = _Rows(seen.removed - seen.put_back + replaced, replaced, seen.put_back - replaced)
        found.fewer = self._all[name, "delete"] - self._all[name, "insert"]
        return found

    def _note_told(self, action: str, table: str, rows: int) -> None:
        """What the statement says: so many rows that it names."""
        self._all[table, action.lower()] = rows
        if action == "DELETE":
            self._rows[table] = _Rows(removed=rows, removed_directly=rows)
        elif action == "UPDATE":
            self._rows[table] = _Rows(updated=rows)
        self._note_replaced(action, table, rows)

    def _rows_now(self, action: str, table: str) -> int | None:
        """Of a table that rows may be replaced in; None for more than are counted."""
        return self._count(table) if action in ("INSERT", "UPDATE") and self._columns_of(table) else None

    def _note_replaced(self, action: str, table: str, rows: int) -> None:
        """Where no hook tells: what is missing of the rows that there were and that came."""
        if self._rows_then is None:
            return
        left = self._count(table, self._rows_then + rows)
        gone = self._rows_then + (rows if action == "INSERT" else 0) - (left or 0)
        if gone > 0:
            self._all[table, "delete"] = gone
            updated = rows if action == "UPDATE" else 0
            self._rows[table] = _Rows(removed=gone, removed_directly=gone, updated=updated)

    def _note_others(self) -> None:
        """Where no hook tells: what is missing in tables that triggers and cascades delete from."""
        for table, then in self._others_then.items():
            if then is None or table == self._row_change[1] or not self._columns_of(table):
                continue
            gone = then - (self._count(table, then) or 0)
            if gone > 0:
                self._all[table, "delete"] = gone
                self._rows[table] = _Rows(removed=gone)

    def _add(self, statement: int, destroyed: dict[str, Any]) -> None:
        """A thousand statements that do the same to a table are told of once, with the rows of all of them."""
        same = [one for one in self.destroys if all(one[name] == destroyed[name] for name in ("does", "table"))]
        if same and destroyed["does"] in _VERBS:
            join = max if destroyed["does"] == "update" else sum  # all rows, twice, are still all rows
            same[0]["rows"] = join((same[0]["rows"], destroyed["rows"]))
            same[0]["message"] = _message(same[0])
            return
        self.destroys.append({"statement": statement, **destroyed, "message": _message(destroyed)})

    def _count_made(self) -> None:
        """The rows of CREATE TABLE … AS, which SQLite tells nobody of."""
        made = self._makes if self._authorizer.schema_action == "CREATE TABLE" else ""
        if made and not made.startswith(_NOT_THE_USERS) and self._columns_of(made):
            rows: int = self._ask(f"SELECT count(*) FROM main.{_quoted(made)}")[0][0]
            self._all[made, "insert"] += rows

    def _destroyed(self) -> list[dict[str, Any]]:
        done, table = self._authorizer.schema_action, self._authorizer.schema_name
        if done in ("DROP TABLE", "DROP VIRTUAL TABLE"):
            dropped = _destruction("drop_table", table, self._dropped_rows, self._dropped_rows)
            return [dropped, *self._rows_destroyed(but=table)]
        if done == "ALTER TABLE":
            return self._dropped_columns(table)
        return list(self._rows_destroyed())

    def _rows_destroyed(self, but: str = "") -> Iterator[dict[str, Any]]:
        """In every table: first in the one that the statement names. `but`: one that is dropped."""
        named = self._row_change[1]
        for table in sorted(self._rows, key=lambda name: (name != named, name)):
            rows = self._rows[table]
            if table.lower() != but.lower() and (rows.removed or rows.updated):
                yield from self._destroyed_in(table, rows)

    def _destroyed_in(self, table: str, rows: _Rows) -> Iterator[dict[str, Any]]:
        action, named = self._row_change
        had = self._rows_before(table)
        replaced = rows.removed_directly if table == named and action != "DELETE" else 0
        if replaced:
            yield _destruction("replace", table, replaced, had)
        if had is not None and 0 < had <= rows.updated:
            yield _destruction("update", table, rows.updated, had)
        if rows.removed > replaced:
            yield _destruction("delete", table, rows.removed - replaced, had)

    def _dropped_columns(self, table: str) -> list[dict[str, Any]]:
        left = self._columns_of(table)
        gone = [column for column in self._columns if column not in left] if len(left) < len(self._columns) else []
        # Without any left, the table has another name now.
        return [{**_destruction("drop_column", table, None, None), "column": column} for column in gone if left]

    def _rows_before(self, table: str) -> int | None:
        """How many rows the table had before the statement; None for more than are counted."""
        removed, added = self._all[table, "delete"], self._all[table, "insert"]
        fewer = self._rows[table].fewer
        left = self._count(table, removed + added + self._all[table, "update"])
        return None if left is None else left + (removed - added if fewer is None else fewer)

    def _count(self, table: str, touched: int = 0) -> int | None:
        most = max(MOST_COUNTED, touched)
        rows: int = self._ask(f"SELECT count(*) FROM (SELECT 1 FROM main.{_quoted(table)} LIMIT {most + 1})")[0][0]
        return rows if rows <= most else None

    def _columns_of(self, table: str) -> list[str]:
        # A PRAGMA: a temporary table may have the name of the table-valued function.
        return [row[1] for row in self._ask(f"PRAGMA main.table_xinfo({_quoted(table)})")]

    def _sql_of(self, table: str) -> str:
        return str(self._ask("SELECT sql FROM main.sqlite_schema WHERE name = ?", (table,))[0][0])

    def _virtual_tables(self) -> set[str]:
        sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0"
        return {row[0] for row in self._ask(sql)}

    def _ask(self, sql: str, bindings: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        with self._authorizer.trusting():
            return list(self._connection.execute(sql, bindings))


def _destruction(does: str, table: str, rows: int | None, had: int | None) -> dict[str, Any]:
    return {"does": does, "table": table, "rows": rows, "of": had}


def _copied(destroys: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(destroyed) for destroyed in destroys]


def _message(destroyed: dict[str, Any]) -> str:
    """deletes 3 of 1,234 rows of users"""
    does, table, rows, had = (destroyed[name] for name in ("does", "table", "rows", "of"))
    if does == "drop_column":
        return f"drops the column {destroyed['column']} of {table}"
    if does == "drop_table":
        return f"drops {table} ({_rows(rows)})"
    if had is not None and rows > had:  # some of them more than once
        return f"{_VERBS[does]} {_rows(rows)} of {table}, which had {_rows(had)}"
    if had is None:
        return f"{_VERBS[does]} {_rows(rows)} of {table}, which has {_rows(None)}"
    return f"{_VERBS[does]} {rows:,} of {_rows(had)} of {table}"


def _rows(number: int | None) -> str:
    if number is None:
        return f"more than {MOST_COUNTED:,} rows"
    return f"{number:,} row{'' if number == 1 else 's'}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
