"""The dialect of SQLAlchemy, over the driver. SQLite's own dialect does nearly all of it.

A URL has the database as its path, and the arguments of `sldb.connect` as its query:

    sqlite+sldb:///main?target=local:DIR
    sqlite+sldb:///orders?target=https://db.example.com

A token in a URL would be shown in messages and logs: it comes from the environment (SLDB_TOKEN), the keyring, or
`create_engine(…, connect_args={"token": …})`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, pool, util
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.exc import ArgumentError

_OPTIONS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("target", "stack", "profile", "region", "message"), str),
    **dict.fromkeys(("create", "foreign_keys", "read_only"), util.asbool),
    "timeout": float,
    "detect_types": int,
}

_asked_for: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # isolation levels, by connection
_OWN_TABLES = "_sldb_"  # records of requests and transactions


class SldbDialect(SQLiteDialect):
    driver = "sldb"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    returns_native_bytes = True
    insertmanyvalues_max_parameters = 32_766
    _isolation_lookup = SQLiteDialect._isolation_lookup.union({"AUTOCOMMIT": None})

    @classmethod
    def import_dbapi(cls) -> Any:
        from sldb.sqlalchemy import module

        return module

    @classmethod
    def get_pool_class(cls, _: URL) -> type[pool.Pool]:
        return pool.QueuePool

    @classmethod
    def _is_url_file_db(cls, _: URL) -> bool:
        return True  # no database is in memory

    def create_connect_args(self, url: URL) -> tuple[list[Any], dict[str, Any]]:
        if url.username or url.password or url.host or url.port:
            raise ArgumentError(
                "a URL has no user and no host: want sqlite+sldb:///DATABASE?target=TARGET, such as "
                "sqlite+sldb:///main?target=local:DIR"
            )
        unknown = sorted(set(url.query) - set(_OPTIONS))
        if unknown:
            raise ArgumentError(f"{unknown[0]}: want one of {', '.join(_OPTIONS)}")
        options = {name: _OPTIONS[name](value) for name, value in url.query.items()}
        if url.database:
            options["database"] = url.database
        return [], options

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar()
        return tuple(map(int, version.split(".")))

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Have transactions or, with AUTOCOMMIT, none. All of them are serializable, and so READ UNCOMMITTED, too."""
        dbapi_connection.isolation_level = None if level == "AUTOCOMMIT" else ""
        _asked_for[dbapi_connection] = level

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        return _asked_for.get(dbapi_connection, "SERIALIZABLE")

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        return dbapi_conn.isolation_level is None

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin a transaction of all statements, reads and DDL too; it is sent with the first one."""
        if dbapi_connection.isolation_level is not None:
            dbapi_connection.execute("BEGIN")

    def get_table_names(
        self, connection: Any, schema: Any = None, sqlite_include_internal: Any = False, **kw: Any
    ) -> Any:
        """Return the names of the tables, without sldb's own."""
        names = super().get_table_names(connection, schema, sqlite_include_internal, **kw)  # type: ignore[no-untyped-call]
        return [name for name in names if sqlite_include_internal or not name.startswith(_OWN_TABLES)]

    def is_disconnect(self, *_: Any) -> bool:
        return False  # a connection has no line to the server

    def on_connect(self) -> None:
        return None  # no functions of the program's own
