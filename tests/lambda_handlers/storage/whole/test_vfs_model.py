"""The VFS against a model: random transactions give the same as an ordinary file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, dump
from tests.fakes.stores.memory import memory_store

TABLES = ("a", "b", "w")
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS a(id INTEGER PRIMARY KEY, v)",
    "CREATE TABLE IF NOT EXISTS b(id INTEGER PRIMARY KEY, v UNIQUE)",
    "CREATE TABLE IF NOT EXISTS w(k TEXT PRIMARY KEY, v) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS a_v ON a(v)",
)
small = st.integers(0, 40)
statements = st.one_of(
    st.sampled_from(SCHEMA),
    st.builds(
        "INSERT OR REPLACE INTO a VALUES ({}, zeroblob({}))".format, small, st.sampled_from([0, 10, 5000, 90_000])
    ),
    st.builds("INSERT OR IGNORE INTO b VALUES ({}, 'text ' || {})".format, small, small),
    st.builds("INSERT INTO b VALUES ({}, 'text ' || {})".format, small, small),  # may fail
    st.builds("INSERT OR REPLACE INTO w VALUES ('k' || {}, printf('%.{}c', 'x'))".format, small, st.integers(1, 3000)),
    st.builds(
        "WITH r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {}) "
        "INSERT OR REPLACE INTO a SELECT n + 100, 'row ' || n FROM r".format,
        st.sampled_from([3, 800]),
    ),
    st.builds("UPDATE a SET v = 'new' WHERE id % 5 = {}".format, st.integers(0, 4)),
    st.builds("DELETE FROM {} WHERE rowid > {}".format, st.sampled_from(["a", "b"]), small),
    st.just("DELETE FROM w"),
    st.builds("DROP TABLE IF EXISTS {}".format, st.sampled_from(TABLES)),
    st.builds("PRAGMA user_version = {}".format, small),
    st.builds("PRAGMA incremental_vacuum({})".format, small),
    st.sampled_from(["SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"]),
)
transactions = st.tuples(st.sampled_from(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]), st.lists(statements, max_size=12))


def run(connection: apsw.Connection, sql: str) -> str | None:
    """What it said."""
    try:
        list(connection.execute(sql))
    except apsw.Error as error:
        return str(error)
    return None


class Pair:
    """The same transactions on the log and on a file."""

    def __init__(self, directory: Path, page_size: int, auto_vacuum: int, cache_pages: int) -> None:
        self.store = memory_store()
        self.writer = Engine(self.store, directory, Clock(seed=1).host())
        self.reader = Engine(self.store, directory, Clock(seed=2).host())
        self.directory = directory
        self._pragmas = (
            f"PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {auto_vacuum}; PRAGMA cache_size = {cache_pages}"
        )
        self.model = apsw.Connection("", flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        self.model.execute(self._pragmas)

    def transact(self, end: str, sqls: list[str]) -> None:
        self.writer.replica.refresh()
        before = self.writer.replica.txid
        connection = self.writer.connect()
        try:
            connection.execute(self._pragmas)
            said = [run(connection, sql) for sql in ("BEGIN IMMEDIATE", *sqls)]
            assert said == [run(self.model, sql) for sql in ("BEGIN IMMEDIATE", *sqls)]
            if end == "COMMIT":
                self.writer.commit(connection)
            else:
                connection.execute(end)
            self.model.execute(end)
        finally:
            connection.close(True)
            self.writer.draft.clear()
        assert self.writer.replica.txid <= before + (end == "COMMIT")

    def vacuum(self) -> None:
        self.writer.vacuum()
        self.model.execute("VACUUM")

    def check(self, engine: Engine) -> None:
        engine.replica.refresh()
        assert engine.replica.txid == self.writer.replica.txid
        connection = engine.connect()
        try:
            assert dump(connection.execute) == dump(self.model.execute)
            assert list(connection.execute("PRAGMA integrity_check")) == [("ok",)]
            assert list(connection.execute("PRAGMA user_version")) == list(self.model.execute("PRAGMA user_version"))
        finally:
            connection.close(True)

    def check_cold(self) -> None:
        cold = Engine(self.store, self.directory, Clock(seed=3).host())
        try:
            self.check(cold)
        finally:
            cold.close()

    def close(self) -> None:
        self.model.close()
        self.reader.close()
        self.writer.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    plan=st.lists(st.none() | transactions, min_size=1, max_size=8),
    page_size=st.sampled_from([512, 4096, 65536]),
    auto_vacuum=st.sampled_from([0, 1, 2]),
    cache_pages=st.sampled_from([3, 2000]),
)
def test_any_transactions_give_what_a_file_gives(
    tmp_path: Path, plan: list[Any], page_size: int, auto_vacuum: int, cache_pages: int
) -> None:
    """None is a VACUUM. After each step a warm reader, and at the end a cold one, equal the model."""
    pair = Pair(tmp_path, page_size, auto_vacuum, cache_pages)
    try:
        pair.transact("COMMIT", list(SCHEMA))
        for step in plan:
            if step is None:
                pair.vacuum()
            else:
                pair.transact(*step)
            pair.check(pair.reader)
        pair.check_cold()
    finally:
        pair.close()
