"""The copies of two states of different text encodings: SQLite does not attach these to each other.

The compared tables are read, each state at its transaction, into a temporary UTF-8 database of this process. The
statements of the comparison then run on that. Values keep their types: the columns of the copies have none, and keys
keep their collations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import apsw

from lambda_handlers.wire import Column, Request, Result, SldbError
from sldb.client import Client
from sldb.diff.comparison import Comparison
from sldb.diff.schema import Schema, Table
from sldb.render import literals
from sldb.transfer.database.schema import KeyScan
from sldb.transfer.database.snapshot import QueryScan, Scan, Snapshot


@dataclass(frozen=True, slots=True)
class Copies:
    connection: apsw.Connection  # the later state is `main`, the earlier one `before`

    def answer(self, request: Request) -> list[Result]:
        """Return the results of a comparison's request."""
        return [self._run(statement.query) for statement in request.statements[1:]]  # without its ATTACH

    def _run(self, query: str) -> Result:
        cursor = self.connection.execute(query)
        columns = tuple(Column(name, None) for name, _ in cursor.get_description())
        rows = cursor.fetchall()
        return Result(columns, rows, len(rows))


@contextmanager
def copied(client: Client, comparison: Comparison) -> Iterator[Copies]:
    """Yield copies of the compared tables. Raises SldbError."""
    connection = apsw.Connection("")  # in memory while small, then in a temporary file of SQLite
    try:
        connection.execute("ATTACH '' AS before")
        for before, after in comparison.tables:
            for name, schema, table in (("before", comparison.before, before), ("main", comparison.after, after)):
                if table is not None:
                    _copy(connection, name, client, schema, table)
        yield Copies(connection)
    finally:
        connection.close()


def _copy(connection: apsw.Connection, side: str, client: Client, schema: Schema, table: Table) -> None:
    snapshot = Snapshot(replace(client, database=schema.database), schema.txid)
    target = f"{side}.{literals.name(table.name)}"
    has_rowid = bool(set(table.key) - set(table.columns))
    columns = (*table.key, *table.columns) if has_rowid else table.columns
    collations = {} if has_rowid else _collations(snapshot, table)
    try:
        connection.execute(f"CREATE TABLE {target} {_columns(table, collations, has_rowid)}")
    except apsw.SQLError as error:  # a collation that exists only in the program that made the database
        raise SldbError("sql_error", str(error)) from error
    insert = f"INSERT INTO {target} ({literals.names(columns)}) VALUES ({','.join('?' * len(columns))})"
    for page in snapshot.scan(_scan(table, has_rowid)):
        with connection:
            connection.executemany(insert, page)


def _scan(table: Table, has_rowid: bool) -> Scan:
    """Return the scan for the columns of the copy; a scan by rowid needs no (possibly unknown) collation."""
    if has_rowid:
        return KeyScan(table.name, table.columns, table.key, table.key[0])
    return QueryScan(f"SELECT {literals.names(table.columns)} FROM {literals.name(table.name)}")


def _columns(table: Table, collations: dict[str, str], has_rowid: bool) -> str:
    defined = [f"{literals.name(one)} COLLATE {literals.name(collations.get(one, 'BINARY'))}" for one in table.columns]
    if has_rowid or not table.key:
        return f"({', '.join(defined)})"
    return f"({', '.join(defined)}, PRIMARY KEY ({literals.names(table.key)})) WITHOUT ROWID"


def _collations(snapshot: Snapshot, table: Table) -> dict[str, str]:
    """Return the collations of the columns of a primary key: they decide if two rows are the same."""
    name = literals.literal(table.name)
    found = snapshot.rows(
        f"SELECT c.name, c.coll FROM pragma_index_list({name}) AS i, pragma_index_xinfo(i.name) AS c "
        "WHERE i.origin = 'pk' AND c.key"
    )
    return {str(column): str(collation) for column, collation in found}
