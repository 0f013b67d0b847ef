"""Exactly once: which requests were applied, and what they gave, in the database that they changed.

A request with a `request_id` records it in the same SQLite transaction as its writes, so either both are in the log
or neither. Before it runs it looks here. Entries older than an hour go with the next recorded write.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import apsw

from lambda_handlers.sql.authorizer import OUR_TABLES
from lambda_handlers.wire import Reply

TABLE = OUR_TABLES + "requests"
MEMORY_SECONDS = 3600

_CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    id TEXT PRIMARY KEY,
    recorded_at REAL NOT NULL, -- unix seconds
    reply BLOB NOT NULL        -- the body of the reply as JSON, compressed by zlib
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS {TABLE}_by_age ON {TABLE} (recorded_at);
"""


def find(connection: apsw.Connection, request_id: str, now: float) -> Reply | None:
    """The reply of the request with this id, if it was applied within the last hour."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (TABLE,)).fetchone() is None:
        return None
    found = connection.execute(
        f"SELECT reply FROM {TABLE} WHERE id = ? AND recorded_at > ?", (request_id, now - MEMORY_SECONDS)
    ).fetchone()
    return Reply.decode(json.loads(zlib.decompress(found[0]))) if found else None


def record(connection: apsw.Connection, request_id: str, now: float, reply: Reply) -> None:
    """Note the reply of the request that the open transaction belongs to."""
    for statement in _CREATE.split(";")[:-1]:
        connection.execute(statement)
    connection.execute(f"DELETE FROM {TABLE} WHERE recorded_at <= ?", (now - MEMORY_SECONDS,))
    body = json.dumps(replace(reply, stats={}).encode(), separators=(",", ":"))
    connection.execute(
        f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?)", (request_id, now, zlib.compress(body.encode()))
    )
