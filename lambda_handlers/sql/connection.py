"""The settings of a connection for statements of users, which no request may change."""

from __future__ import annotations

import apsw

from lambda_handlers.sql.errors import MAX_VALUE_BYTES

DEFAULT_PAGE_SIZE = 4096  # of new databases: benchmarks/page_size.py, figures in docs/storage.md
MAX_ATTACHED = 10  # SQLite's own default


def configure(connection: apsw.Connection, is_new: bool) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.limit(apsw.SQLITE_LIMIT_WORKER_THREADS, 0)
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, MAX_ATTACHED)
    if is_new:  # in an existing database the next VACUUM would change the page size
        connection.execute(f"PRAGMA page_size = {DEFAULT_PAGE_SIZE}")
    connection.execute("PRAGMA synchronous = FULL")
