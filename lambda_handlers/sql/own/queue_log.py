"""The log of queued requests: a hash of each id for as long as its message may come again, maybe for weeks.

`request_log` remembers an id with its reply for an hour. A message comes again after days: from a stopped queue, or
from its dead letters. So its id is also here, without the reply, recorded in the same SQLite transaction. Functions of
earlier versions leave the table alone, and find the id in `request_log` within the hour.

An entry is 16 bytes for the id, its time, and the number of its transaction. The id begins with the hour of sending the
message, if known: an id of sldb's form has it, and so has a message without an id of its own. Ids of the same time are
then in the same few pages: a batch reads and writes few of them, however many ids there are. Other ids have the hour 0,
and are spread over the pages by their hash. The hash includes the database's name: the entries of a branch from its
source prove nothing for the branch.

No index by age is kept: it would double the size. A recorded id instead examines a few others, the oldest by their
hours, or its neighbours among those without an hour. Each new entry examines more than one, so the expired ones stay
few.
"""

from __future__ import annotations

import hashlib

import apsw

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql.own.own_tables import OUR_TABLES, OwnTable
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.wire import made_at

TABLE = OUR_TABLES + "queued"
# As SQLite keeps it. `recorded_at`: unix seconds.
LOG = OwnTable(
    TABLE,
    (f"CREATE TABLE {TABLE} (id BLOB PRIMARY KEY, recorded_at INTEGER NOT NULL, txid INTEGER NOT NULL) WITHOUT ROWID",),
)
HOUR_SECONDS = 3600
_HOUR_BYTES, _HASH_BYTES = 4, 12
_EXAMINED = 8  # entries for each that is recorded
_FIRST_WITH_HOUR = (1).to_bytes(_HOUR_BYTES, "big")


@dataclass(frozen=True, slots=True)
class QueuedId:
    """The id of a queued request. `sent_at`: when its message was sent (unix seconds), if the id is the message's own;
    None for an id by its producer, which may send it again in another message."""

    text: str
    sent_at: float | None = None

    def key(self, database: str) -> bytes:
        """Return the key of its entry."""
        made = made_at(self.text) if self.sent_at is None else self.sent_at
        return _key(database, self.text, int((made or 0) // HOUR_SECONDS))


@dataclass(frozen=True, slots=True)
class Found:
    at: float  # unix seconds: when it was applied
    txid: Txid


def find(connection: apsw.Connection, database: str, queued: QueuedId, since: float) -> Found | None:
    """Return when a queued request was applied, if that was after `since` (unix seconds)."""
    if not LOG.is_there(connection):
        return None
    return _at(connection, queued.key(database), since)


def search(connection: apsw.Connection, database: str, request_id: str, since: float, until: float) -> Found | None:
    """Return when a queued request was applied, whatever the time of its message: between the two (unix seconds)."""
    if not LOG.is_there(connection):
        return None
    hours = range(int(until // HOUR_SECONDS), int(since // HOUR_SECONDS) - 1, -1)
    keys = (QueuedId(request_id).key(database), *(_key(database, request_id, hour) for hour in hours))
    return next((found for key in keys if (found := _at(connection, key, since)) is not None), None)


def record(connection: apsw.Connection, key: bytes, at: float, txid: Txid, since: float) -> None:
    """Record a queued request of the open transaction by the key of its id, and delete some entries from before
    `since`. `txid`: of that transaction."""
    if not LOG.is_there(connection):
        LOG.make(connection)
    connection.execute(f"INSERT OR REPLACE INTO main.{TABLE} VALUES (?, ?, ?)", (key, int(at), txid))
    examined_from = key if key < _FIRST_WITH_HOUR else _FIRST_WITH_HOUR
    connection.execute(
        f"DELETE FROM main.{TABLE} WHERE recorded_at <= ? AND id IN "
        f"(SELECT id FROM main.{TABLE} WHERE id > ? ORDER BY id LIMIT {_EXAMINED})",
        (int(since), examined_from),
    )


def _key(database: str, request_id: str, hour: int) -> bytes:
    digest = hashlib.blake2b(request_id.encode(), digest_size=_HASH_BYTES, key=database.encode()).digest()
    return max(0, min(hour, (1 << 8 * _HOUR_BYTES) - 1)).to_bytes(_HOUR_BYTES, "big") + digest


def _at(connection: apsw.Connection, key: bytes, since: float) -> Found | None:
    found = connection.execute(
        f"SELECT recorded_at, txid FROM main.{TABLE} WHERE id = ? AND recorded_at > ?", (key, int(since))
    ).fetchone()
    return Found(float(found[0]), Txid(int(found[1]))) if found else None
