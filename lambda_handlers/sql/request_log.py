"""Exactly once: which requests were applied, and what they gave, in the database that they changed.

A request with a `request_id` records it in the same SQLite transaction as its writes, so either both are in the log
or neither. Before it runs it looks here. Entries older than an hour go with the next recorded write.

A reply of many rows would make the transaction as large as itself: it goes to an object of the store, and its key here.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import apsw

from lambda_handlers.sql.own_tables import OUR_TABLES
from lambda_handlers.wire import Reply

TABLE = OUR_TABLES + "requests"
MEMORY_SECONDS = 3600
MOST_BYTES = 64 << 10  # of a compressed reply here
_AT_KEY = b"key:"  # how an entry begins that is kept elsewhere; zlib's own begin with a byte 0x78

# As SQLite keeps it; another one under these names is not sldb's, wherever it came from. `recorded_at`: unix seconds;
# `reply`: the body of the reply as JSON, compressed by zlib, or the key of an object with that.
_TABLE = f"CREATE TABLE {TABLE} (id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, reply BLOB NOT NULL) WITHOUT ROWID"
_INDEX = f"CREATE INDEX {TABLE}_by_age ON {TABLE} (recorded_at)"
_SCHEMA = [_INDEX, _TABLE]


@dataclass(frozen=True, slots=True)
class Recorded:
    at: float  # unix seconds
    reply: bytes  # for `decode`


def find(connection: apsw.Connection, request_id: str, since: float) -> Recorded | None:
    """The request with this id, if it was applied since then (unix seconds)."""
    if _schema(connection) != _SCHEMA:
        return None
    found = connection.execute(
        f"SELECT recorded_at, reply FROM main.{TABLE} WHERE id = ? AND recorded_at > ?", (request_id, since)
    ).fetchone()
    return Recorded(*found) if found else None


def record(connection: apsw.Connection, request_id: str, now: float, entry: bytes) -> None:
    """Note the request that the open transaction belongs to; `entry` is its reply by `encode`."""
    if _schema(connection) != _SCHEMA:
        _make(connection)
    connection.execute(f"DELETE FROM main.{TABLE} WHERE recorded_at <= ?", (now - MEMORY_SECONDS,))
    connection.execute(f"INSERT OR REPLACE INTO main.{TABLE} VALUES (?, ?, ?)", (request_id, now, entry))


def _schema(connection: apsw.Connection) -> list[str]:
    """All that is said about our table, its indexes and its triggers."""
    found = connection.execute(
        "SELECT sql FROM main.sqlite_schema WHERE ? IN (name, tbl_name) COLLATE NOCASE AND sql NOT NULL", (TABLE,)
    )
    return sorted(str(sql) for (sql,) in found.fetchall())


def _make(connection: apsw.Connection) -> None:
    """In place of whatever has the name."""
    kind = connection.execute(
        "SELECT upper(type) FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')",
        (TABLE,),
    ).fetchone()
    if kind is not None:
        connection.execute(f"DROP {kind[0]} main.{TABLE}")
    for statement in (_TABLE, _INDEX):
        connection.execute(statement.replace("TABLE ", "TABLE main.", 1).replace("INDEX ", "INDEX main.", 1))


def encode(reply: Reply, keep: Callable[[bytes], str]) -> bytes:
    """`keep` gives a key for what is too large for the table."""
    body = zlib.compress(json.dumps(replace(reply, stats={}).encode(), separators=(",", ":")).encode())
    return body if len(body) <= MOST_BYTES else _AT_KEY + keep(body).encode()


def decode(entry: bytes, kept: Callable[[str], bytes]) -> Reply:
    """`kept` gives back what `keep` was given."""
    body = kept(entry[len(_AT_KEY) :].decode()) if entry.startswith(_AT_KEY) else entry
    return Reply.decode(json.loads(zlib.decompress(body)))
