"""PRAGMAs, silently ignored by SQLite if they come too late: foreign_keys inside a transaction, and encoding, page_size
and auto_vacuum once the database has content.

Here a request is a transaction, so that a script for SQLite's shell, run statement by statement there, would have
another effect. The rules:

    before the request's first write    a change takes effect, even in an open transaction, after tables,
                                        columns or indexes were made, as in Prisma's migrations
    after it                            it is late. foreign_keys can only go back to its setting at the beginning of the
                                        request; any other late change is an error if a statement follows that depends
                                        on it or reads it
    at the end                          it is accepted, since no statement follows for it to change

PRAGMAs that write (user_version) do not count as writes here, since no foreign key is concerned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql.authorizer import Authorizer
from lambda_handlers.wire import SldbError

FOREIGN_KEYS = "foreign_keys"
_OF_A_NEW_DATABASE = ("auto_vacuum", "encoding", "page_size")
# Statements with the same effect with and without the enforcement of foreign keys.
_WITHOUT_FOREIGN_KEYS = frozenset(
    (
        *("CREATE INDEX", "CREATE TABLE", "CREATE TRIGGER", "CREATE VIEW"),
        *("DROP INDEX", "DROP TRIGGER", "DROP VIEW", "ANALYZE", "REINDEX"),
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """A statement of the request."""

    statement: int  # its position, as in `results`
    part: int  # position in the request's `statements`
    begins: int  # characters before it

    @property
    def details(self) -> dict[str, int]:
        """The place as details of an error."""
        return {"statement": self.statement, "part": self.part, "begins": self.begins}


@dataclass(frozen=True, slots=True)
class _Late:
    name: str
    argument: str
    place: Place
    hint: str

    def error(self) -> SldbError:
        return SldbError(
            "sql_error",
            f"PRAGMA {self.name} = {self.argument} comes too late to have an effect on the statements after it",
            self.hint,
            **self.place.details,
            applied="no",
        )


class Pragmas:
    """The PRAGMAs of one session. Call `begin` before its statements, `before_write` when a writing one is prepared,
    `after` when a statement has run."""

    def __init__(self, connection: apsw.Connection, authorizer: Authorizer, new_database: bool) -> None:
        self._connection = connection
        self._authorizer = authorizer
        self._new_database = new_database
        self._late: dict[str, _Late] = {}
        self._has_begun = False  # a statement has written, be it only to the schema
        self._has_written = False  # one has written that foreign keys may affect
        self._may_be_query_only = False  # the request has set PRAGMA query_only
        self._enforced = self._foreign_keys()  # when the request began

    def begin(self, foreign_keys: bool) -> None:
        self._set_foreign_keys(foreign_keys)
        self._enforced = foreign_keys

    def before_write(self, word: str) -> None:
        """Raise `sql_error` if an earlier change has not taken effect. `word`: the first of the statement."""
        if word == "PRAGMA":
            return
        self._has_begun = True
        self._has_written = self._has_written or not self._only_declares()
        for late in self._late.values():
            if late.name != FOREIGN_KEYS or self._authorizer.schema_action not in _WITHOUT_FOREIGN_KEYS:
                raise late.error()

    def _only_declares(self) -> bool:
        """Return True if the statement changes the schema and no row: foreign keys make no difference to it."""
        action = self._authorizer.schema_action
        return action in _WITHOUT_FOREIGN_KEYS or action == "ALTER TABLE"

    def after(self, place: Place) -> None:
        for name, argument, schema in self._authorizer.pragmas:
            self._may_be_query_only = self._may_be_query_only or name == "query_only"
            if name != FOREIGN_KEYS and (name not in _OF_A_NEW_DATABASE or schema not in ("", "main")):
                continue
            if argument is not None:
                self._apply(name, argument, place)
            elif name in self._late:
                raise self._late[name].error()

    @contextmanager
    def suspended_query_only(self) -> Iterator[None]:
        """Suspend the request's own PRAGMA query_only for statements of sldb's own."""
        is_set = self._may_be_query_only and self._connection.pragma("query_only")
        if is_set:
            self._connection.execute("PRAGMA query_only = OFF")
        try:
            yield
        finally:
            if is_set:
                self._connection.execute("PRAGMA query_only = ON")

    def _apply(self, name: str, argument: str, place: Place) -> None:
        """Check that SQLite has made the change; make a late one here, or remember it."""
        value = self._value(name)
        wanted = _meant(name, argument, value)
        if wanted != value and name == FOREIGN_KEYS and (not self._has_written or wanted == self._enforced):
            self._set_foreign_keys_between(bool(wanted))
        elif wanted != value:
            self._late[name] = _Late(name, argument, place, self._hint(name, value))
            return
        self._late.pop(name, None)

    def _hint(self, name: str, value: object) -> str:
        if name == FOREIGN_KEYS or (self._new_database and self._has_begun):
            return "put it first, before the statements that write, or send the later ones as a request of their own"
        if self._new_database:
            return "put it first, before all other statements"
        return f"leave it out: the database began with {name} = {value}, and keeps it"

    def _value(self, name: str) -> Any:
        if name == FOREIGN_KEYS:
            return int(self._foreign_keys())
        with self._authorizer.trusting():
            return self._connection.execute(f"PRAGMA main.{name}").fetchall()[0][0]

    def _foreign_keys(self) -> bool:
        return bool(self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1))

    def _set_foreign_keys(self, value: bool) -> None:
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, int(value))

    def _set_foreign_keys_between(self, value: bool) -> None:
        """Set the PRAGMA in the middle of a transaction; deferred violations would be counted by both rules."""
        if self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            raise SldbError(
                "constraint",
                "PRAGMA foreign_keys changes while deferred foreign keys are violated",
                "put it after the statement that repairs them, or send the later ones as a request of their own",
                applied="no",
            )
        self._set_foreign_keys(value)


def _meant(name: str, argument: str, value: object) -> Any:
    """Return the value of the argument in a new database, in SQLite's own words. `value`: the one before, which an
    invalid page size leaves unchanged."""
    connection = apsw.Connection(":memory:")
    try:
        for text in (str(value), argument) if name == "page_size" else (argument,):
            connection.execute(f"PRAGMA {name} = '{text.replace(chr(39), chr(39) * 2)}'")
        return connection.execute(f"PRAGMA {name}").fetchall()[0][0]
    finally:
        connection.close()
