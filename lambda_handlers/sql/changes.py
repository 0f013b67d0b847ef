"""The changes of statements, and the destructive ones among them: counted by SQLite while they run, not derived from
their text.

Counted are the rows of the request's own database, however they change: WITH … DELETE, REPLACE, cascades, triggers of
any table or view, temporary ones too. A statement is destructive if it does one of these, unless the request itself
has made the table:

    delete       removes rows that existed before it
    replace      puts rows in the place of others in the table of the statement (REPLACE, OR REPLACE)
    update       changes every row of a table
    drop_table   drops a table
    drop_column  drops a column

For virtual tables the rows of the statement itself count, not those of their shadow tables; rows removed from one by
triggers are counted in its shadow table with an entry for each row.

The former number of rows of a table is counted up to MAX_COUNTED, or up to the rows of the statement if they are more:
the pages of a large table are not local.

With an apsw without the preupdate hook (3.50.1, of Lambda's runtimes on Amazon Linux 2) only the rows of the statement
itself are counted. The rows replaced by REPLACE, and those deleted by triggers and cascades, are then the difference of
the tables before and after, if that is within MAX_COUNTED; an upsert looks like a REPLACE.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import apsw

from lambda_handlers.sql.authorizer import Authorizer, is_shadow
from lambda_handlers.sql.change_savepoints import ChangeSavepoints, Counted
from lambda_handlers.sql.destruction import COUNTED, copied, destruction, message_of
from lambda_handlers.sql.own.own_tables import OUR_TABLES
from lambda_handlers.sql.row_changes import MAX_COUNTED, RowChanges, has_left

OPERATIONS = ("insert", "update", "delete")
_NOT_THE_USERS = ("sqlite_", OUR_TABLES)
_ENTRIES = ("_content", "_rowid")  # of the tables in which FTS3 to FTS5 and R-trees have an entry for each row
_CONTENTLESS = re.compile(r"content\s*=\s*(''|\"\")", re.IGNORECASE)
_ENTRIES_OF_CONTENTLESS = "_docsize"


class Changes:
    """The changes of one session. Call `begin` when a writing statement is prepared, `end` when it has run."""

    def __init__(self, connection: apsw.Connection, authorizer: Authorizer) -> None:
        self._connection = connection
        self._authorizer = authorizer
        self._total: Counter[tuple[str, str]] = Counter()  # (table, operation) → rows
        self._all: Counter[tuple[str, str]] = Counter()  # of the statement that runs
        self._rows: dict[str, RowChanges] = {}  # by table, of the statement that runs
        self._made: set[str] = set()  # tables that the request has made, in lower case
        self._row_change = ("", "")  # of the statement that ran last
        self._makes = ""  # the table that the statement makes
        self._dropped_rows: int | None = None
        # For lack of a hook, rows before the statement: in its table, and in those that triggers and cascades change.
        self._rows_then: int | None = None
        self._others_then: dict[str, int | None] = {}
        self._columns: list[str] = []
        self.destroys: list[dict[str, Any]] = []
        self._savepoints = ChangeSavepoints()
        self._reported: Callable[[], int] = connection.changes  # rows of the statement, as SQLite reports them
        self._sees_rows = hasattr(connection, "preupdate_hook")
        if self._sees_rows:
            connection.preupdate_hook(self._note)

    @property
    def by_table(self) -> dict[str, dict[str, int]]:
        """The changed tables, each with its numbers of rows inserted, updated and deleted."""
        tables = sorted({table for table, _ in self._total})
        return {table: {operation: self._total[table, operation] for operation in OPERATIONS} for table in tables}

    def begin(self, reported: Callable[[], int]) -> None:
        self._reported = reported
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
            if not self._columns_of(table):  # IF NOT EXISTS makes none if there is one
                self._makes = table
        elif done in ("DROP TABLE", "DROP VIRTUAL TABLE"):
            self._dropped_rows = self._count(table)
        elif done == "ALTER TABLE":
            self._columns = self._columns_of(table)

    def end(self, statement: int) -> None:
        """Count a statement, by its position in the request."""
        if self._makes:
            self._made.add(self._makes.lower())
        virtual = self._virtual_tables()
        self._row_change = self._authorizer.row_change(virtual)
        self._sort_out_virtual(virtual)
        self._count_made()
        self._total += self._all  # leaves out what is 0
        for destroyed in self._destroyed():
            if destroyed["table"].lower() not in self._made:
                self._add(statement, destroyed)
        if self._authorizer.schema_action == "ALTER TABLE":
            self._made.clear()  # perhaps a rename: the new meaning of the names is not tracked

    def savepoint_passed(self) -> None:
        """Follow a statement that was perhaps a SAVEPOINT, RELEASE or ROLLBACK TO: changes rolled back do not count."""
        done, name = self._authorizer.savepoint
        if done == "BEGIN":
            self._savepoints.begin(self._counted(), name)
        elif done == "RELEASE":
            self._savepoints.release(name)
        elif done == "ROLLBACK":
            self._go_back_to(self._savepoints.rollback_to(name))

    def failed(self, statement: int) -> None:
        """Count the rows that a failed statement has left, as OR FAIL and RAISE(FAIL) do: its own and its triggers'."""
        own = self._reported() if self._authorizer.counts_rows else 0
        if own or has_left(self._rows, self._authorizer.row_change()[1], self._has_row):
            self.end(statement)

    def _has_row(self, table: str, rowid: int) -> bool:
        return bool(self._query(f"SELECT 1 FROM main.{_quoted(table)} WHERE rowid = ?", (rowid,)))

    def group_began(self) -> None:
        self._savepoints.begin(self._counted())

    def group_ended(self, rolled_back: bool) -> None:
        """Follow the end of a transaction inside the request, also of one that a savepoint began."""
        before = self._savepoints.end()
        if rolled_back:
            self._go_back_to(before)

    def _counted(self) -> Counted:
        return Counted(self._total.copy(), copied(self.destroys), self._made.copy())

    def _go_back_to(self, then: Counted | None) -> None:
        if then is not None:
            self._total, self._made, self.destroys = then.total.copy(), then.made.copy(), copied(then.destroys)

    def _note(self, change: apsw.PreUpdate) -> None:
        table = change.table_name
        if change.database_name != "main" or table.startswith(_NOT_THE_USERS):
            return
        self._all[table, change.op.lower()] += 1
        self._rows.setdefault(table, RowChanges()).note(change)

    def _sort_out_virtual(self, virtual: set[str]) -> None:
        """Leave out the shadow tables of virtual tables, and count the rows of the statement itself."""
        entries = {table: self._entries(table) for table in virtual}
        for key in [key for key in self._all if is_shadow(key[0], virtual)]:
            del self._all[key]
        self._rows = {table: rows for table, rows in self._rows.items() if not is_shadow(table, virtual)}
        self._rows.update((table, rows) for table, rows in entries.items() if rows is not None)
        action, table = self._row_change
        if action and not self._authorizer.schema_action and (table in virtual or not self._sees_rows):
            rows = self._reported()
            if rows and not table.startswith(_NOT_THE_USERS):
                self._note_reported(action, table, rows)
        self._note_others()

    def _entries(self, virtual_table: str) -> RowChanges | None:
        """Return the changes of a virtual table, by its shadow table of entries; None if there is none."""
        names = [virtual_table + ending for ending in _ENTRIES]
        if _CONTENTLESS.search(self._sql_of(virtual_table)):
            names.append(virtual_table + _ENTRIES_OF_CONTENTLESS)
        name = next((name for name in names if name in self._rows), "")
        if not name or not self._rows[name].removed:
            return None
        seen = self._rows[name]
        # An entry created again belongs to a changed row, or a replaced one.
        replaced = seen.put_back if self._row_change == ("INSERT", virtual_table) else 0
        found = RowChanges(seen.removed - seen.put_back + replaced, replaced, seen.put_back - replaced)
        found.fewer = self._all[name, "delete"] - self._all[name, "insert"]
        return found

    def _note_reported(self, action: str, table: str, rows: int) -> None:
        """Note the number of rows that SQLite reports for the statement."""
        self._all[table, action.lower()] = rows
        if action == "DELETE":
            self._rows[table] = RowChanges(removed=rows, removed_directly=rows)
        elif action == "UPDATE":
            self._rows[table] = RowChanges(updated=rows)
        self._note_replaced(action, table, rows)

    def _rows_now(self, action: str, table: str) -> int | None:
        """Count a table in which rows may be replaced; None for more than MAX_COUNTED."""
        return self._count(table) if action in ("INSERT", "UPDATE") and self._columns_of(table) else None

    def _note_replaced(self, action: str, table: str, rows: int) -> None:
        """Note replaced rows, without a hook: those missing among the old and the new ones."""
        if self._rows_then is None:
            return
        left = self._count(table, self._rows_then + rows)
        gone = self._rows_then + (rows if action == "INSERT" else 0) - (left or 0)
        if gone > 0:
            self._all[table, "delete"] = gone
            updated = rows if action == "UPDATE" else 0
            self._rows[table] = RowChanges(removed=gone, removed_directly=gone, updated=updated)

    def _note_others(self) -> None:
        """Note rows deleted by triggers and cascades, without a hook: those missing in their tables."""
        for table, then in self._others_then.items():
            if then is None or table == self._row_change[1] or not self._columns_of(table):
                continue
            gone = then - (self._count(table, then) or 0)
            if gone > 0:
                self._all[table, "delete"] = gone
                self._rows[table] = RowChanges(removed=gone)

    def _add(self, statement: int, destroyed: dict[str, Any]) -> None:
        """Add a destruction to the list, or its rows to an entry of the same kind for the same table."""
        same = [one for one in self.destroys if all(one[name] == destroyed[name] for name in ("does", "table"))]
        if same and destroyed["does"] in COUNTED:
            join = max if destroyed["does"] == "update" else sum  # all rows, twice, are still all rows
            same[0]["rows"] = join((same[0]["rows"], destroyed["rows"]))
            same[0]["message"] = message_of(same[0])
            return
        self.destroys.append({"statement": statement, **destroyed, "message": message_of(destroyed)})

    def _count_made(self) -> None:
        """Count the rows of CREATE TABLE … AS, since SQLite reports none."""
        made = self._makes if self._authorizer.schema_action == "CREATE TABLE" else ""
        if made and not made.startswith(_NOT_THE_USERS) and self._columns_of(made):
            rows: int = self._query(f"SELECT count(*) FROM main.{_quoted(made)}")[0][0]
            self._all[made, "insert"] += rows

    def _destroyed(self) -> list[dict[str, Any]]:
        done, table = self._authorizer.schema_action, self._authorizer.schema_name
        if done in ("DROP TABLE", "DROP VIRTUAL TABLE"):
            dropped = destruction("drop_table", table, self._dropped_rows, self._dropped_rows)
            return [dropped, *self._rows_destroyed(but=table)]
        if done == "ALTER TABLE":
            return self._dropped_columns(table)
        return list(self._rows_destroyed())

    def _rows_destroyed(self, but: str = "") -> Iterator[dict[str, Any]]:
        """Yield the destructions in every table, first in that of the statement. `but`: a dropped one."""
        named = self._row_change[1]
        for table in sorted(self._rows, key=lambda name: (name != named, name)):
            rows = self._rows[table]
            if table.lower() != but.lower() and (rows.removed or rows.updated):
                yield from self._destroyed_in(table, rows)

    def _destroyed_in(self, table: str, rows: RowChanges) -> Iterator[dict[str, Any]]:
        action, named = self._row_change
        had = self._rows_before(table)
        replaced = rows.removed_directly if table == named and action != "DELETE" else 0
        if replaced:
            yield destruction("replace", table, replaced, had)
        if had is not None and 0 < had <= rows.updated:
            yield destruction("update", table, rows.updated, had)
        if rows.removed > replaced:
            yield destruction("delete", table, rows.removed - replaced, had)

    def _dropped_columns(self, table: str) -> list[dict[str, Any]]:
        left = self._columns_of(table)
        gone = [column for column in self._columns if column not in left] if len(left) < len(self._columns) else []
        # If none is left, the table has another name now.
        return [{**destruction("drop_column", table, None, None), "column": column} for column in gone if left]

    def _rows_before(self, table: str) -> int | None:
        """Return the number of rows of a table before the statement; None for more than MAX_COUNTED."""
        removed, added = self._all[table, "delete"], self._all[table, "insert"]
        fewer = self._rows[table].fewer
        left = self._count(table, removed + added + self._all[table, "update"])
        return None if left is None else left + (removed - added if fewer is None else fewer)

    def _count(self, table: str, touched: int = 0) -> int | None:
        most = max(MAX_COUNTED, touched)
        entries = table + _ENTRIES_OF_CONTENTLESS  # FTS4 without content can be searched, and not read
        counted = entries if _CONTENTLESS.search(self._sql_of(table)) and self._columns_of(entries) else table
        rows: int = self._query(f"SELECT count(*) FROM (SELECT 1 FROM main.{_quoted(counted)} LIMIT {most + 1})")[0][0]
        return rows if rows <= most else None

    def _columns_of(self, table: str) -> list[str]:
        # A PRAGMA: a temporary table may have the name of the table-valued function.
        return [row[1] for row in self._query(f"PRAGMA main.table_xinfo({_quoted(table)})")]

    def _sql_of(self, table: str) -> str:
        return "".join(
            str(sql) for (sql,) in self._query("SELECT sql FROM main.sqlite_schema WHERE name = ?", (table,))
        )

    def _virtual_tables(self) -> set[str]:
        sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0"
        return {row[0] for row in self._query(sql)}

    def _query(self, sql: str, bindings: tuple[str | int, ...] = ()) -> list[tuple[Any, ...]]:
        with self._authorizer.trusting():
            return list(self._connection.execute(sql, bindings))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
