"""Statements that depend on chance and time in all known ways, and sessions that run them under a pin."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lambda_handlers.deadline import NEVER
from lambda_handlers.sql.pin import Pin
from lambda_handlers.sql.session import WRITE, Session
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError, Statement
from tests.fakes.databases.engine import Engine

SCHEMA = (
    """CREATE TABLE t (id INTEGER PRIMARY KEY, r DEFAULT (random()), u DEFAULT (hex(randomblob(8))),
    at DEFAULT CURRENT_TIMESTAMP, g AS (r % 7) STORED)""",
    "CREATE TABLE log (id, r, at)",
    "CREATE TRIGGER logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.id, random(), julianday('now')); END",
    "CREATE TABLE full (id INTEGER PRIMARY KEY, x)",
    "INSERT INTO full VALUES (9223372036854775807, 'the largest rowid: SQLite tries random ones from now on')",
    "CREATE TABLE many (x)",
    "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n LIMIT 2500) INSERT INTO many SELECT x FROM n",
    "CREATE TABLE u (k UNIQUE)",
    "INSERT INTO u SELECT 'a long key that is not the only one ' || x FROM many",
    "CREATE VIRTUAL TABLE f USING fts5 (body)",
)
STATEMENTS = (
    "SELECT hex(fts5_locale('en', 'the extension takes from the generator when a connection is opened'))",
    "SELECT random(), hex(randomblob(5)), datetime('now'), strftime('%f', 'now'), CURRENT_TIMESTAMP",
    "INSERT INTO t DEFAULT VALUES RETURNING *",
    "INSERT INTO t (id) SELECT random() % 500 FROM many LIMIT 20 RETURNING *",
    "SELECT * FROM log ORDER BY random()",
    "INSERT INTO full (x) VALUES (random()), (time('now')) RETURNING *",
    "INSERT INTO f SELECT hex(randomblob(9)) || ' word' FROM many LIMIT 30",
    "SELECT rowid, body FROM f WHERE f MATCH 'word' ORDER BY rank LIMIT 5",
    "INSERT INTO f (f) VALUES ('optimize')",
    "SELECT x FROM many ORDER BY random() LIMIT 3",
    # more than the sorter holds in memory
    "SELECT hex(b), random() FROM (SELECT randomblob(600) AS b FROM many ORDER BY b LIMIT -1 OFFSET 2498)",
    # the second one has a journal of the statement, and more in it than stays in memory
    "UPDATE u SET k = k || hex(randomblob(20)), rowid = -rowid",
    "UPDATE u SET k = k || hex(randomblob(20)), rowid = -rowid",
    "INSERT INTO u SELECT iif(x < 2000, hex(randomblob(100)), 'one') FROM many",
    "INSERT OR FAIL INTO u VALUES (random()), ('one'), ('one')",
    # changed pages beyond the cache
    "INSERT INTO many SELECT hex(randomblob(700)) FROM many LIMIT 2500",
    "SELECT max(x), total(random()) FROM many",
    "CREATE TEMP TABLE IF NOT EXISTS own (r DEFAULT (random()))",
    "INSERT INTO own SELECT hex(randomblob(300)) FROM many LIMIT 200",
    "SELECT random(), max(r) FROM own",
    "CREATE TABLE IF NOT EXISTS made AS SELECT random() AS r, hex(randomblob(3)) AS h, date('now') AS d",
    "SELECT * FROM made",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "RELEASE s",
    "SELECT no_such_column, random() FROM t",
)
# on an empty database
FIRST = """WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n LIMIT 2500)
    SELECT hex(b), random() FROM (SELECT randomblob(600) AS b FROM n ORDER BY b LIMIT -1 OFFSET 2498)"""
PIN = Pin(bytes(range(16)), 1_700_000_000_123)

Shown = tuple[Any, ...]


class Runner:
    """A session on the newest state of a store, from nothing but the store."""

    def __init__(self, store: ObjectStore, pin: Pin | None = PIN) -> None:
        self._engine = Engine(store, Path(tempfile.gettempdir()))
        self._engine.replica.refresh()
        self._engine.draft.clear()
        self.session = Session(self._engine.vfs, WRITE, NEVER, pin=pin)

    def run(self, query: str) -> Shown:
        """Return the result of a statement as a client sees it, be it an error."""
        try:
            (result,) = self.session.run([Statement(query)])
        except SldbError as error:
            return (error.code, error.details.get("sqlite_code"))
        return result.columns, list(result.rows), result.rowcount, result.lastrowid

    def commit(self) -> bytes:
        """Commit, and return the database file."""
        self.session.commit()
        return self._engine.image()

    def close(self) -> None:
        self.session.close()
        self._engine.close()


@contextmanager
def runner(store: ObjectStore, pin: Pin | None = PIN) -> Iterator[Runner]:
    one = Runner(store, pin)
    try:
        yield one
    finally:
        one.close()


def fill(store: ObjectStore) -> None:
    """Make the database of the statements."""
    with runner(store, None) as one:
        one.session.run([Statement(query) for query in SCHEMA])
        one.commit()


def all_at_once(store: ObjectStore, queries: Sequence[str], pin: Pin | None = PIN) -> list[Shown]:
    with runner(store, pin) as one:
        return [one.run(query) for query in queries]


def with_others_between(store: ObjectStore, queries: Sequence[str], other: Callable[[], object]) -> list[Shown]:
    """Run the statements in one session, with other work between them."""
    with runner(store) as one:
        shown = []
        for query in queries:
            other()
            shown.append(one.run(query))
        return shown


def each_from_the_beginning(store: ObjectStore, queries: Sequence[str], other: Callable[[], object]) -> list[Shown]:
    """Run each statement in a session of its own, after all before it, with other work between them."""
    return [with_others_between(store, queries[: end + 1], other)[-1] for end in range(len(queries))]
