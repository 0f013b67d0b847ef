"""The log of transactions: the committed transactions of several requests, in the database changed by them.

A token can be sent twice: after a lost answer, or by a client that kept an older one. Therefore the commit of a
transaction is recorded here, in the same SQLite transaction as its writes, for as long as a token of it may live. It is
looked up before anything is committed. The record has the hashes of the transaction's first statement, its first two,
and so on. So a token from before the commit is recognised, and gets the reply of the first commit; one with other
statements is not what was committed.

Both clocks of `request_log` must be two minutes past the end of the token before its record is deleted; a token is
refused a minute after its end by either. So the time between leaves no gap, whichever clock is wrong. A record that
would stay for more than a week is from a clock that was ahead, and is deleted as well; its token is refused by clocks
that are right.

The ids are random, and no request can choose one; a table of its own keeps them apart from those of requests. Functions
of earlier versions leave the table alone, while they would delete an entry of `request_log` after an hour. A token is
bound to the name of its database: in a branch or a copy the records have no effect.
"""

from __future__ import annotations

import apsw

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql.own.own_tables import OUR_TABLES, OwnTable
from lambda_handlers.sql.own.request_log import Times
from lambda_handlers.store_clock import SKEW_SECONDS

TABLE = OUR_TABLES + "transactions"
MAX_AHEAD_SECONDS = 8 * 86_400.0  # of the end of a token, which lives for a day

# As SQLite keeps it. `expires_at`: unix seconds, of the token; `prefixes`: the hashes, one after the other; `reply`: an
# entry of `request_log`.
_COLUMNS = "id TEXT PRIMARY KEY, expires_at REAL NOT NULL, prefixes BLOB NOT NULL, reply BLOB NOT NULL"
LOG = OwnTable(
    TABLE,
    (
        f"CREATE TABLE {TABLE} ({_COLUMNS}) WITHOUT ROWID",
        f"CREATE INDEX {TABLE}_by_age ON {TABLE} (expires_at)",
    ),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A transaction that is to be committed."""

    id: str
    prefixes: bytes  # hashes of equal length: of its first statement, its first two, and so on to all of them
    expires_at: float  # unix seconds, of its token

    def has_expired(self, times: Times) -> bool:
        """Return True if its record may be gone, or soon will be."""
        return max(times.clock, times.log) > self.expires_at + SKEW_SECONDS


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction that was committed."""

    prefixes: bytes
    entry: bytes  # its reply, for `request_log.decode`

    def includes(self, attempt: Attempt) -> bool:
        """Return True if the statements of the attempt are the committed ones, or the first of them."""
        return self.prefixes.startswith(attempt.prefixes)


def find(connection: apsw.Connection, transaction_id: str) -> Committed | None:
    """Return the record of a transaction, if it was committed and is remembered."""
    if not LOG.is_there(connection):
        return None
    found = connection.execute(f"SELECT prefixes, reply FROM main.{TABLE} WHERE id = ?", (transaction_id,)).fetchone()
    return Committed(bytes(found[0]), bytes(found[1])) if found else None


def record(connection: apsw.Connection, attempt: Attempt, times: Times, entry: bytes) -> None:
    """Record the open SQLite transaction as the commit of an attempt; `entry` is its reply by `request_log.encode`."""
    if not LOG.is_there(connection):
        LOG.make(connection)
    connection.execute(
        f"DELETE FROM main.{TABLE} WHERE expires_at < ? OR expires_at > ?",
        (min(times.clock, times.log) - 2 * SKEW_SECONDS, max(times.clock, times.log) + MAX_AHEAD_SECONDS),
    )
    connection.execute(
        f"INSERT INTO main.{TABLE} VALUES (?, ?, ?, ?)", (attempt.id, attempt.expires_at, attempt.prefixes, entry)
    )
