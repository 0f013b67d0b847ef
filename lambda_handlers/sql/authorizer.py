"""The authorizer: SQLite calls it for every table, function and pragma of a statement, before the statement runs.

It refuses access outside the stack's databases (other files, extensions), damage to their storage (journal modes, raw
pages, the schema table), and writes to tables of sldb's own (`_sldb_…`). docs/security.md has the table. Everything
else is allowed.

Attached databases can only be read. A write to one is noted here and raised by the session, since virtual tables
prepare writes which they may never run. Writes not noted (shadow tables, PRAGMA optimize) fail at a read-only file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import apsw

from lambda_handlers.sql import attachment
from lambda_handlers.sql.attachment import Attachment
from lambda_handlers.sql.own.own_tables import is_ours
from lambda_handlers.sql.settings import rights

# The endings of shadow tables: virtual tables keep their data in them, and prepare writes to them.
_SHADOWS = tuple(
    "_config _content _data _docsize _idx _node _parent _rowid _segdir _segments _stat".split()  # noqa: SIM905
)
_HINT = "a request may do everything inside its one database, and read the others of the stack"
_HARMLESS = (apsw.SQLITE_ANALYZE, apsw.SQLITE_REINDEX)  # without a name they apply to every table, sldb's own too
_DOING_CHARACTERS = 200
_REFUSED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})

# Action → the word for it in the lock's "doing" and whether it counts rows. DDL also writes to sqlite_schema, which
# comes as an INSERT or UPDATE before or after the action that names it.
_ROW_ACTIONS = {apsw.SQLITE_INSERT: "INSERT", apsw.SQLITE_UPDATE: "UPDATE", apsw.SQLITE_DELETE: "DELETE"}
_SCHEMA_ACTIONS = {
    apsw.SQLITE_CREATE_INDEX: "CREATE INDEX",
    apsw.SQLITE_CREATE_TABLE: "CREATE TABLE",
    apsw.SQLITE_CREATE_TRIGGER: "CREATE TRIGGER",
    apsw.SQLITE_CREATE_VIEW: "CREATE VIEW",
    apsw.SQLITE_CREATE_VTABLE: "CREATE VIRTUAL TABLE",
    apsw.SQLITE_DROP_INDEX: "DROP INDEX",
    apsw.SQLITE_DROP_TABLE: "DROP TABLE",
    apsw.SQLITE_DROP_TRIGGER: "DROP TRIGGER",
    apsw.SQLITE_DROP_VIEW: "DROP VIEW",
    apsw.SQLITE_DROP_VTABLE: "DROP VIRTUAL TABLE",
    apsw.SQLITE_ALTER_TABLE: "ALTER TABLE",
    apsw.SQLITE_ANALYZE: "ANALYZE",
    apsw.SQLITE_REINDEX: "REINDEX",
    apsw.SQLITE_CREATE_TEMP_TABLE: "CREATE TABLE",
    apsw.SQLITE_CREATE_TEMP_INDEX: "CREATE INDEX",
    apsw.SQLITE_CREATE_TEMP_TRIGGER: "CREATE TRIGGER",
    apsw.SQLITE_CREATE_TEMP_VIEW: "CREATE VIEW",
}


def not_yours(name: str) -> str:
    return f"{name} is a table of sldb's own"


def _may_trust(action: int, one: str, two: str, trigger: str | None, changed: Collection[str]) -> bool:
    """Return True if a statement of sldb's own may do this: write to sldb's tables, and only directly. Triggers and
    cascades are the user's; both are also switched off (own_tables.undisturbed). Virtual tables write their pending
    changes when a savepoint begins or the transaction ends, FTS3 and FTS4 by an INSERT into themselves: `changed` has
    the tables that may have some, those that the user's statements have written to."""
    if action not in _ROW_ACTIONS and action not in _SCHEMA_ACTIONS:
        return True
    if action == apsw.SQLITE_INSERT and one in changed and trigger is None:
        return True
    is_known = is_ours(one) or is_ours(two) or one.startswith("sqlite_") or one.lower().endswith(_SHADOWS)
    return trigger is None and is_known


def is_shadow(table: str, virtual_tables: Collection[str]) -> bool:
    """Return True if one of the virtual tables keeps its data in the table."""
    return table.lower().endswith(_SHADOWS) and table.rpartition("_")[0] in virtual_tables


class Authorizer:
    """The callback for statements that SQLite prepares; it remembers their effects, or the reason for a refusal."""

    def __init__(self, new_database: bool) -> None:
        self.refusal = ""  # why the last refused statement was refused
        self.hint = _HINT
        self.attached: frozenset[str] = frozenset()  # the names that statements know them by, in lower case
        self._new_database = new_database  # its page size may still be chosen
        self._trusted = False
        self._vacuuming = False
        self._changed: set[str] = set()  # tables that statements of the session may have changed
        self.begin_statement("")

    def begin_statement(self, first_word: str) -> None:
        self.refusal = ""
        self.hint = _HINT
        self.attached_write = ""  # the statement's write to an attached database
        self._row_changes: list[tuple[str, str]] = []  # such as ("INSERT", "users"), without those of triggers
        self.deletes_from: set[str] = set()  # tables of the database, by the statement, its triggers or cascades
        self.schema_action = ""  # such as "CREATE TABLE", and its name
        self.schema_name = ""
        self.savepoint = ("", "")  # BEGIN, RELEASE or ROLLBACK, and its name
        self.transaction = ""  # BEGIN, COMMIT or ROLLBACK of a transaction
        self.pragmas: list[tuple[str, str | None, str]] = []  # name, argument, schema; all in lower case but the second
        self.without_effect: list[tuple[str, str | None]] = []  # PRAGMAs that SQLite is not shown: name, argument
        self.only_reads = False  # a PRAGMA that SQLite counts as a write, although it only reads without a value
        self._vacuuming = first_word == "VACUUM"
        self._is_pragma = first_word == "PRAGMA"
        self._is_prepared = False

    def end_preparing(self) -> None:
        """Take the effects of the statement as known: virtual tables prepare others of their own while it runs."""
        self._is_prepared = True

    def only_explains(self) -> None:
        """Forget the effects of a statement that is only explained; an explained PRAGMA takes effect."""
        pragmas, without_effect = self.pragmas, self.without_effect
        self.begin_statement("")
        self.pragmas, self.without_effect = pragmas, without_effect

    @contextmanager
    def trusting(self) -> Iterator[None]:
        """Allow statements of sldb's own: BEGIN, COMMIT, and those on its tables."""
        self._trusted = True
        try:
            yield
        finally:
            self._trusted = False

    def row_change(self, virtual_tables: Collection[str] = ()) -> tuple[str, str]:
        """Return INSERT, UPDATE or DELETE and the table of the statement; ("", "") for others. On its first use in
        a connection, a virtual table may prepare the changes of its shadow tables before SQLite reports its own."""
        others = (change for change in self._row_changes if not is_shadow(change[1], virtual_tables))
        action, table = next(others, ("", ""))
        wanted = (change for change in self._row_changes if is_shadow(table, (change[1],)))
        return next(wanted, (action, table))

    @property
    def row_action(self) -> str:
        return self.row_change()[0]

    @property
    def counts_rows(self) -> bool:
        """True if the statement inserts, updates or deletes rows of a table, and leaves the schema alone."""
        return bool(self.row_action) and not self.schema_action

    @property
    def doing(self) -> str:
        """The kind of the statement and its table, never a value; empty if SQLite did not report them."""
        if self.schema_action:
            return f"{self.schema_action} {self.schema_name}".strip()[:_DOING_CHARACTERS]
        return " ".join(self.row_change()).strip()[:_DOING_CHARACTERS]

    def __call__(self, action: int, one: str | None, two: str | None, database: str | None, trigger: str | None) -> int:
        if self._trusted:
            is_trusted = _may_trust(action, one or "", two or "", trigger, self._changed)
            return apsw.SQLITE_OK if is_trusted else apsw.SQLITE_DENY
        if not self._is_prepared:
            self._note_attached(action, one or "", two or "", database or "")
            self._note(action, one or "", two or "", trigger)
        if action in _ROW_ACTIONS:
            self._changed.add(one or "")
        if action == apsw.SQLITE_DELETE and database == "main":
            self.deletes_from.add(one or "")
        elif action == apsw.SQLITE_PRAGMA:
            self.pragmas.append(((one or "").lower(), two, (database or "").lower()))
        refusal = self._why_not(action, one, two, database)
        if refusal:
            self.refusal = self.refusal or refusal
            return apsw.SQLITE_DENY
        if self._would_corrupt(action, one, two) or self._has_no_effect(action, one, two, database):
            return apsw.SQLITE_IGNORE
        return apsw.SQLITE_OK

    def _would_corrupt(self, action: int, one: str | None, two: str | None) -> bool:
        """Return True if the statement sets the encoding of an existing database. SQLite ignores it, except in
        a database without tables: there the encoding of the schema then differs from that in the header."""
        sets_encoding = action == apsw.SQLITE_PRAGMA and (one or "").lower() == "encoding" and two is not None
        return sets_encoding and not self._new_database

    def _has_no_effect(self, action: int, one: str | None, two: str | None, database: str | None) -> bool:
        """Return True for a PRAGMA that is accepted without being shown to SQLite."""
        name = (one or "").lower()
        if action != apsw.SQLITE_PRAGMA or (database or "").lower() in self.attached:
            return False
        if not (rights.has_no_effect(name, two) or rights.keeps_value(name, two)):
            return False
        self.without_effect.append((name, two))
        return True

    def _note(self, action: int, one: str, two: str, trigger: str | None) -> None:
        if trigger is not None:
            return
        if action in _SCHEMA_ACTIONS:
            if not self.schema_action:  # an index created with a table is not the statement's action
                # ALTER TABLE has the database's name first.
                self.schema_name = two if action == apsw.SQLITE_ALTER_TABLE else one
                self.schema_action = _SCHEMA_ACTIONS[action]
        elif action in _ROW_ACTIONS and not one.startswith("sqlite_"):
            self._row_changes.append((_ROW_ACTIONS[action], one))
        elif action == apsw.SQLITE_SAVEPOINT:
            self.savepoint = (one, two.lower())
        elif action == apsw.SQLITE_TRANSACTION:
            self.transaction = one

    def _note_attached(self, action: int, one: str, two: str, database: str) -> None:
        table = one
        if action == apsw.SQLITE_ALTER_TABLE:
            database, table = one, two
        if database.lower() not in self.attached:
            return
        if action in _SCHEMA_ACTIONS or action == apsw.SQLITE_PRAGMA:
            self.attached_write = f"{_SCHEMA_ACTIONS.get(action, 'PRAGMA')} {database}.{table}"
        elif action in _ROW_ACTIONS and not table.lower().endswith(_SHADOWS):
            self.attached_write = self.attached_write or f"{_ROW_ACTIONS[action]} {database}.{table}"

    def _why_not(self, action: int, name: str | None, two: str | None, database: str | None) -> str:
        one = name or ""
        if action == apsw.SQLITE_PRAGMA:
            return self._why_not_pragma(one.lower(), two, (database or "").lower() in self.attached)
        if action == apsw.SQLITE_FUNCTION and (two or "").lower() in _REFUSED_FUNCTIONS:
            return f"the function {two} loads code"
        if action == apsw.SQLITE_ATTACH and not (self._vacuuming and one == ""):
            return "VACUUM INTO writes to a file" if self._vacuuming else self._why_not_attach(name)
        if action == apsw.SQLITE_DETACH and not self._vacuuming and one.lower() not in self.attached:
            return f"DETACH {one}: the request has not attached it"
        if self._vacuuming:  # copies every table, sldb's own too
            return ""
        if action in _HARMLESS:
            return ""
        if is_ours(name) and (action in _ROW_ACTIONS or action in _SCHEMA_ACTIONS):
            return not_yours(one)
        if is_ours(two) and action in _SCHEMA_ACTIONS:  # an index or a trigger of one, or what ALTER TABLE changes
            return not_yours(str(two))
        return ""

    def _why_not_attach(self, name: str | None) -> str:
        self.hint = attachment.HINT
        if name is None:  # '' would open a temporary file without another check
            return "ATTACH needs a literal name in the statement, not a parameter or an expression"
        return "" if Attachment.parse(name) else f"ATTACH {name!r} names no database of the stack"

    def _why_not_pragma(self, name: str, argument: str | None, is_attached: bool) -> str:
        if name in rights.FREE:
            return ""
        if rights.reads(name, argument):
            # Not of a PRAGMA inside a statement: FTS3 and FTS4 read the page size while an INSERT is prepared.
            self.only_reads = self.only_reads or (self._is_pragma and len(self.pragmas) == 1)
            return ""
        if name == "page_size" and self._new_database:
            return ""
        if not is_attached and (rights.has_no_effect(name, argument) or rights.keeps_value(name, argument)):
            return ""
        reason, hint = rights.why_not(name)
        self.hint = hint or self.hint
        return reason
