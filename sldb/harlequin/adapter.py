"""The adapter over the driver. Harlequin finds it by its entry point, and calls it from several threads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from harlequin import HarlequinAdapter, HarlequinConnection, HarlequinCursor
from harlequin.catalog import Catalog, CatalogItem
from harlequin.exception import HarlequinConfigError, HarlequinConnectionError, HarlequinQueryError
from harlequin.options import FlagOption, TextOption

import sldb

OPTIONS = [
    TextOption(name="database", short_decls=["-d"], description="The database (default: main)."),
    TextOption(name="stack", description="The stack of a target lambda (default: test-db)."),
    TextOption(name="aws-profile", description="The AWS profile."),
    TextOption(name="region", description="The AWS region."),
    FlagOption(name="create", description="Create the database with the first write, if it does not exist."),
]
_TEXTS = {"database": "database", "stack": "stack", "aws_profile": "profile", "region": "region"}  # of sldb.connect

# Harlequin shows a type in one to three characters.
_LABELS = (("INT", "##"), ("CHAR", "s"), ("CLOB", "s"), ("TEXT", "s"), ("BLOB", "0b"), ("DATE", "d"), ("TIME", "t"))
_NUMBER, _ANY = "#.#", "?"

_COLUMNS = r"""SELECT t.name, t.type, c.name, c.type
FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
WHERE t.type IN ('table', 'view') AND c.hidden <> 1
AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND t.name NOT LIKE '\_sldb\_%' ESCAPE '\'
ORDER BY t.name, c.cid"""


def type_label(declared: str | None) -> str:
    """Return what is shown for a declared type, by SQLite's rules of affinity."""
    if not declared:
        return _ANY
    return next((label for part, label in _LABELS if part in declared.upper()), _NUMBER)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class SldbCursor(HarlequinCursor):
    def __init__(self, cursor: sldb.Cursor) -> None:
        self._cursor = cursor
        self._limit: int | None = None

    def columns(self) -> list[tuple[str, str]]:
        return [(column[0], type_label(column[1])) for column in self._cursor.description or ()]

    def set_limit(self, limit: int) -> SldbCursor:
        self._limit = limit
        return self

    def fetchall(self) -> list[Any] | None:
        try:
            rows = self._cursor.fetchall() if self._limit is None else self._cursor.fetchmany(self._limit)
        except sldb.Error as error:
            raise HarlequinQueryError(msg=str(error), title="sldb") from error
        return rows or None


class SldbConnection(HarlequinConnection):
    """Each statement is a transaction, unless BEGIN opens one."""

    def __init__(self, connection: sldb.Connection, database: str) -> None:
        self.init_message = ""
        self._connection = connection
        self._database = database

    def execute(self, query: str) -> SldbCursor | None:
        try:
            cursor = self._connection.execute(query)
        except (sldb.Error, sldb.Warning) as error:
            raise HarlequinQueryError(msg=str(error), title="sldb") from error
        return SldbCursor(cursor) if cursor.description else None

    def cancel(self) -> None:
        self._connection.interrupt()

    def get_catalog(self) -> Catalog:
        try:
            rows = self._connection.execute(_COLUMNS).fetchall()
        except sldb.OperationalError as error:
            if error.code != "not_found":  # a database that the first write creates
                raise HarlequinQueryError(msg=str(error), title="sldb") from error
            rows = []
        relations = [
            self._relation(name, kind, [(column, declared) for *_, column, declared in columns])
            for (name, kind), columns in groupby(rows, key=lambda row: (row[0], row[1]))
        ]
        return Catalog(items=[CatalogItem(quoted(self._database), self._database, self._database, "db", relations)])

    def _relation(self, name: str, kind: str, columns: list[tuple[str, str]]) -> CatalogItem:
        children = [
            CatalogItem(f"{quoted(name)}.{quoted(column)}", quoted(column), column, type_label(declared), [], declared)
            for column, declared in columns
        ]
        return CatalogItem(quoted(name), quoted(name), name, kind[0], children, kind.upper())

    def close(self) -> None:
        self._connection.close()


class SldbAdapter(HarlequinAdapter):
    ADAPTER_OPTIONS = OPTIONS
    IMPLEMENTS_CANCEL = True
    IMPLEMENTS_READ_ONLY = True
    ADAPTER_DETAILS = "SQLite in S3, behind a Lambda function; or in a directory."

    def __init__(self, conn_str: Sequence[str], read_only: bool = False, **options: Any) -> None:
        if len(conn_str) > 1:
            raise HarlequinConfigError(msg=f"one target at most, not {len(conn_str)}", title="sldb")
        self._target = conn_str[0] if conn_str else "lambda"
        given = {argument: str(options[name]) for name, argument in _TEXTS.items() if options.get(name)}
        self._database = given.pop("database", "main")
        self._options: dict[str, Any] = {**given, "create": bool(options.get("create")), "read_only": read_only}

    def connect(self) -> SldbConnection:
        try:
            connection = sldb.connect(self._target, self._database, isolation_level=None, **self._options)
        except sldb.Error as error:
            raise HarlequinConnectionError(msg=str(error), title="sldb") from error
        return SldbConnection(connection, self._database)

    @property
    def connection_id(self) -> str:
        return f"{self._target} {self._database}"
