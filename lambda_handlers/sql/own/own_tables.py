"""Tables of sldb's own, with names that begin with `_sldb_`: making and recognising them, and guarding them from SQL.

An `OwnTable` is trusted only as sldb made it: with another column, index or trigger it is replaced. Statements of
sldb's own run `undisturbed`, so that they fire no trigger and cascade nowhere.

The authorizer refuses statements that name such a table. SQLite hides two names from it: the new one in ALTER TABLE,
and the parent of a foreign key. So `reach` is compared before and after a change of the schema.

All queries here name their schema, and use PRAGMAs: a temporary table may have any name, that of a table of `main` or
of a table-valued function such as pragma_foreign_key_list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from lambda_handlers.shared.dataclasses import dataclass

OUR_TABLES = "_sldb_"

_SCHEMAS = ("main", "temp")
_OURS = f"lower(substr(name, 1, {len(OUR_TABLES)})) = '{OUR_TABLES}'"
_MENTIONS_OURS = f"type = 'table' AND instr(lower(sql), '{OUR_TABLES}')"
_REACTIONS = (apsw.SQLITE_DBCONFIG_ENABLE_FKEY, apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER)
_GUARD = OUR_TABLES + "guard"  # a savepoint
_SHORTEST = OUR_TABLES[:-1]  # a virtual table of this name keeps its data in tables of ours


def is_ours(name: str | None) -> bool:
    return (name or "").lower().startswith(OUR_TABLES)


@dataclass(frozen=True, slots=True)
class OwnTable:
    """A table in `main`. Call its methods in a `trusted` action of a session."""

    name: str
    statements: tuple[str, ...]  # CREATE TABLE and CREATE INDEX, as SQLite keeps them

    def is_there(self, connection: apsw.Connection) -> bool:
        """Return True if the table, its indexes and its triggers are exactly those of sldb."""
        found = connection.execute(
            "SELECT sql FROM main.sqlite_schema "
            "WHERE (name = ?1 COLLATE NOCASE OR tbl_name = ?1 COLLATE NOCASE) AND sql NOT NULL",
            (self.name,),
        )
        return sorted(str(sql) for (sql,) in found.fetchall()) == sorted(self.statements)

    def make(self, connection: apsw.Connection) -> None:
        """Make the table in place of any other object with its name."""
        kind = connection.execute(
            "SELECT upper(type) FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')",
            (self.name,),
        ).fetchone()
        if kind is not None:
            connection.execute(f"DROP {kind[0]} main.{self.name}")
        for statement in self.statements:
            connection.execute(statement.replace("TABLE ", "TABLE main.", 1).replace("INDEX ", "INDEX main.", 1))


@contextmanager
def undisturbed(connection: apsw.Connection) -> Iterator[None]:
    """Keep foreign keys and triggers from reacting to the statements inside, against settings of the request."""
    before = [connection.config(reaction, -1) for reaction in _REACTIONS]
    try:
        for reaction in _REACTIONS:
            connection.config(reaction, 0)
        yield
    finally:
        for reaction, was_on in zip(_REACTIONS, before, strict=True):
            connection.config(reaction, was_on)


def may_reach(sql: str) -> bool:
    """Return True if a statement may create a name of sldb's own: SQLite takes a name only in one piece."""
    return _SHORTEST in sql.lower()


def reach(connection: apsw.Connection) -> Counter[str]:
    """Count, for each table of sldb's own, the objects with its name and the foreign keys to it."""
    reached: Counter[str] = Counter()
    for schema in _SCHEMAS:
        named = connection.execute(f"SELECT lower(name) FROM {schema}.sqlite_schema WHERE {_OURS}").fetchall()
        reached.update(str(name) for (name,) in named)
        reached.update(_parents(connection, schema))
    return reached


@contextmanager
def undone_by_error(connection: apsw.Connection, execute: Callable[[str], None]) -> Iterator[None]:
    """Undo the statements inside if one raises an error. `execute` runs a statement of sldb's own."""
    execute(f"SAVEPOINT {_GUARD}")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            execute(f"ROLLBACK TO {_GUARD}")
        raise
    finally:
        if connection.in_transaction:
            execute(f"RELEASE {_GUARD}")


def _parents(connection: apsw.Connection, schema: str) -> Iterator[str]:
    children = connection.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE {_MENTIONS_OURS}").fetchall()
    for (child,) in children:
        quoted = '"' + str(child).replace('"', '""') + '"'
        for key in connection.execute(f"PRAGMA {schema}.foreign_key_list({quoted})").fetchall():
            if is_ours(str(key[2])):
                yield str(key[2]).lower()
