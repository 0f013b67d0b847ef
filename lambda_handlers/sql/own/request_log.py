"""The log of requests: ids and replies of applied requests, in the database changed by them, for exactly-once writes.

A request with a `request_id` records it in the same SQLite transaction as its writes, so either both are in the log
or neither. Before it runs, its id is looked up here.

A clock may be wrong, so an entry expires only after an hour on two clocks: the machine's, and the log's, the time of
the newest transaction. Then it is not found any more, and the next recorded write deletes it. An entry has the later of
the two times, like its transaction: a slow clock shortens its hour at most by the time without writes before it. An
entry later than both proves nothing and is ignored. (Two consecutive writes by a clock an hour ahead look like an
hour.)

If a transaction goes back in time, because a clock had been ahead (Replica.next_time_ms), it moves the entries back
with it: none is later than its log.

An entry is about the database named in its reply. A branch holds the entries of its source, and they prove nothing for
the branch. Before a database is renamed, a note of that goes into its own log, so that the copy has the note, and
requests of the old name are answered under the new one.

A reply of many rows would make the transaction as large as itself: it is stored as an object, and its key here.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable

import apsw

from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.sql.own.own_tables import OUR_TABLES, OwnTable
from lambda_handlers.storage.log.keys import is_reply_key, is_rows_key
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import Reply, SldbError

TABLE = OUR_TABLES + "requests"
MEMORY_SECONDS = 3600
MAX_BEHIND_SECONDS = 86_400  # of a machine's clock behind the log, at most
MAX_BYTES = 64 << 10  # of a compressed reply here
_NOTE, _END_OF_NOTES = "\x01", "\x02"  # the beginning of a note's id; the id of a request has printable characters only
_READINGS = 2  # of a reply kept elsewhere: it may have been damaged in transit
_AT_KEY = b"key:"  # the beginning of an entry that is kept elsewhere; zlib's data begins with a byte 0x78

# As SQLite keeps it. `recorded_at`: unix seconds; `reply`: the body of the reply as JSON, compressed by zlib, or the
# key of an object with that.
LOG = OwnTable(
    TABLE,
    (
        f"CREATE TABLE {TABLE} (id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, reply BLOB NOT NULL) WITHOUT ROWID",
        f"CREATE INDEX {TABLE}_by_age ON {TABLE} (recorded_at)",
    ),
)


@dataclass(frozen=True, slots=True)
class Times:
    """The current time by two clocks, in unix seconds, to compare an entry's time with."""

    clock: float  # of this machine
    log: float  # of the newest transaction
    made: float | None = None  # of the transaction that is being made, where something is recorded in it

    @property
    def since(self) -> float:
        """The time since when requests are remembered."""
        return min(self.clock, self.log) - MEMORY_SECONDS

    @property
    def now(self) -> float:
        """The time of a new entry. A log more than a day ahead makes no entry that stays for ever."""
        made = max(self.clock, self.log) if self.made is None else self.made
        return min(made, self.clock + MAX_BEHIND_SECONDS)

    @property
    def until(self) -> float:
        """The latest time that an entry can have."""
        return max(self.clock, self.log) + SKEW_SECONDS


@dataclass(frozen=True, slots=True)
class Recorded:
    at: float  # unix seconds
    entry: bytes  # for `decode`


@dataclass(frozen=True, slots=True)
class Applied:
    """An applied request, remembered in the log."""

    at: float  # unix seconds
    reply: Reply
    has_reply: bool = True  # False: only its txid and database are still known


def find(connection: apsw.Connection, request_id: str, times: Times) -> Recorded | None:
    """Return the request with this id, if it was applied and is remembered."""
    if not LOG.is_there(connection):
        return None
    found = connection.execute(
        f"SELECT recorded_at, reply FROM main.{TABLE} WHERE id = ? AND recorded_at > ? AND recorded_at <= ?",
        (request_id, times.since, times.until),
    ).fetchone()
    return Recorded(found[0], found[1]) if found and isinstance(found[1], bytes) else None


def record(connection: apsw.Connection, request_id: str, times: Times, entry: bytes) -> None:
    """Record the request of the open transaction; `entry` is its reply by `encode`."""
    if not LOG.is_there(connection):
        LOG.make(connection)
    connection.execute(
        f"DELETE FROM main.{TABLE} WHERE recorded_at <= ? OR recorded_at > ?", (times.since, times.until)
    )
    take_back(connection, times)
    connection.execute(f"INSERT OR REPLACE INTO main.{TABLE} VALUES (?, ?, ?)", (request_id, times.now, entry))


def take_back(connection: apsw.Connection, times: Times) -> None:
    """Move the entries back if the time of the open transaction is before the newest one's: entries later than their
    own log would be ignored."""
    if times.now < times.log and LOG.is_there(connection):
        connection.execute(f"UPDATE main.{TABLE} SET recorded_at = ? WHERE recorded_at > ?", (times.now, times.now))


def note_rename(connection: apsw.Connection, name: str, target: str, times: Times) -> None:
    """Note that the database is about to get another name, unless it remembers no requests or has the note."""
    if not LOG.is_there(connection):
        return
    note = _note_of(name, target)
    newest = _newest(connection, ">=", _END_OF_NOTES, times)
    noted_at = _newest(connection, "=", note, times)
    if newest is None or (noted_at is not None and noted_at >= newest):
        return
    values = (note, max(newest, times.now), b"")
    connection.execute(f"INSERT OR REPLACE INTO main.{TABLE} VALUES (?, ?, ?)", values)


def was_renamed(connection: apsw.Connection, database: str, at: float, name: str, times: Times) -> bool:
    """Return True if the database named `name` had the name `database` at a time (unix seconds)."""
    found = connection.execute(
        f"SELECT id, recorded_at FROM main.{TABLE} WHERE id >= ? AND id < ? AND recorded_at > ? AND recorded_at <= ?",
        (_NOTE, _END_OF_NOTES, times.since, times.until),
    ).fetchall()
    notes = [(str(note), _seconds(noted_at)) for note, noted_at in found]
    had_at = {database: at}  # name → since when it was that of the requests
    for _ in notes:  # as many renames as there may be in a row
        for note, noted_at in notes:
            old, _, new = note.removeprefix(_NOTE).partition(_NOTE)
            if had_at.get(old, float("inf")) <= noted_at < had_at.get(new, float("inf")):
                had_at[new] = noted_at
    return name in had_at


def _newest(connection: apsw.Connection, comparison: str, id_: str, times: Times) -> float | None:
    """Return the time of the newest entry with an id that compares so."""
    found = connection.execute(
        f"SELECT recorded_at FROM main.{TABLE} WHERE id {comparison} ? AND recorded_at > ? AND recorded_at <= ? "
        "ORDER BY recorded_at DESC LIMIT 1",
        (id_, times.since, times.until),
    ).fetchone()
    return _seconds(found[0]) if found else None


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else float("inf")


def _note_of(name: str, target: str) -> str:
    return f"{_NOTE}{name}{_NOTE}{target}"


def encode(reply: Reply, keep: Callable[[bytes], str]) -> bytes:
    """Return the entry of a reply. `keep` stores one that is too large for the table, and returns its key."""
    body = zlib.compress(json.dumps(replace(reply, stats={}).encode(), separators=(",", ":")).encode())
    return body if len(body) <= MAX_BYTES else _AT_KEY + keep(body).encode()


def decode(entry: bytes, kept: Callable[[str], bytes]) -> Reply | None:
    """Return the reply, or None for an entry not written by sldb. `kept` reads a body stored by `keep`; it is called
    with keys of their form only. Raises `corrupt` for a damaged body, read twice: the request was applied."""
    if not entry.startswith(_AT_KEY):
        return _decoded(entry) if len(entry) <= MAX_BYTES else None
    key = entry[len(_AT_KEY) :].decode("utf-8", errors="replace")
    if not is_reply_key(key):
        return None
    for _ in range(_READINGS):
        if (reply := _decoded(kept(key))) is not None:
            return reply
    raise SldbError(
        "corrupt",
        f"{key}: the request was applied before, and its reply is damaged",
        "its rows are in the database; its reply is lost",
        key=key,
        applied="yes",
    )


def _decoded(body: bytes) -> Reply | None:
    try:
        reply = Reply.decode(json.loads(zlib.decompress(body)))
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError, SldbError):
        return None
    stored = [result.stored.url for result in reply.results if result.stored is not None]
    is_ours = isinstance(reply.txid, int) and isinstance(reply.database, str)
    return reply if is_ours and all(isinstance(key, str) and is_rows_key(key) for key in stored) else None
