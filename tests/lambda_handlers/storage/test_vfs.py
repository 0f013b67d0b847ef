"""SQLite over the log, against SQLite over an ordinary file: the same statements, the same database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import PAGE_SIZES, Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.replica import Conflict
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, dump
from tests.fakes.stores.faulty import FaultyStore, clash, meanwhile, refuse
from tests.fakes.stores.memory import memory_store

MakeEngine: TypeAlias = Callable[..., Engine]

# Random transactions against a model

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


# One thing at a time


def reopened(engine: MakeEngine) -> Engine:
    """Another container, from the log."""
    cold = engine()
    cold.replica.refresh()
    assert cold.is_sound()
    return cold


@pytest.mark.parametrize("page_size", sorted(PAGE_SIZES))
def test_every_legal_page_size(engine: MakeEngine, page_size: int) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES (randomblob(100000)), ('x')", page_size=page_size)
    one.write("INSERT INTO t VALUES (zeroblob(70000))")

    cold = reopened(engine)
    assert cold.replica.page_size == page_size
    assert cold.rows("PRAGMA page_size") == [(page_size,)]
    assert cold.rows("SELECT sum(length(x)) FROM t") == [(170001,)]
    assert cold.rows("SELECT x FROM t") == one.rows("SELECT x FROM t")


def test_the_page_size_of_a_database_that_exists_stays(engine: MakeEngine) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)", page_size=1024)
    one.write("INSERT INTO t VALUES (1)", page_size=8192)

    assert reopened(engine).replica.page_size == 1024


def test_nothing_to_commit_makes_no_transaction(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)")

    assert one.write("SELECT * FROM t") is None
    assert one.write("DELETE FROM t WHERE x = 1") is None
    assert one.replica.txid == 1
    assert len(store.written) == 1


def test_a_rollback_makes_no_transaction(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)")
    connection = one.connect()
    connection.execute("BEGIN; INSERT INTO t VALUES (1); ROLLBACK")
    connection.close()

    assert list(store.written) == [transaction(1).key("main")]


def test_a_rollback_of_what_was_spilled_makes_no_transaction(engine: MakeEngine, store: FaultyStore) -> None:
    """SQLite syncs then, too; the line is `if self.is_granted` in CommitPermit.use."""
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES ('before')")
    connection = one.connect()
    connection.execute("PRAGMA cache_size = 5; BEGIN")
    for _ in range(200):
        connection.execute("INSERT INTO t VALUES (randomblob(4000))")
    assert len(one.draft._dirty) > 0
    connection.execute("ROLLBACK")
    assert list(connection.execute("SELECT x FROM t")) == [("before",)]
    connection.close()
    one.draft.clear()

    assert len(store.written) == 1
    assert one.rows("SELECT x FROM t") == [("before",)]
    assert one.is_sound()


def test_after_a_rollback_the_same_connection_may_commit(engine: MakeEngine) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)")
    connection = one.connect()
    connection.execute("PRAGMA cache_size = 5; BEGIN; INSERT INTO t VALUES (zeroblob(200000)); ROLLBACK")
    connection.execute("BEGIN; INSERT INTO t VALUES (1)")
    one.commit(connection)
    connection.close()

    assert reopened(engine).rows("SELECT * FROM t") == [(1,)]


def test_a_large_transaction_spills_and_is_one_object(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.replica.refresh()
    connection = one.connect()
    connection.execute("PRAGMA cache_size = 10; BEGIN; CREATE TABLE t(x)")
    for n in range(2000):
        connection.execute("INSERT INTO t VALUES (?)", (f"{n} " * 500,))
    one.commit(connection)
    connection.close()

    assert len(store.written) == 1
    assert reopened(engine).rows("SELECT count(*), sum(length(x)) FROM t") == one.rows(
        "SELECT count(*), sum(length(x)) FROM t"
    )


def test_savepoints(engine: MakeEngine) -> None:
    one = engine()
    one.write(
        "CREATE TABLE t(x)",
        "INSERT INTO t VALUES (1)",
        "SAVEPOINT a",
        "INSERT INTO t VALUES (2), (zeroblob(100000))",
        "SAVEPOINT b",
        "INSERT INTO t VALUES (3)",
        "ROLLBACK TO b",
        "RELEASE b",
        "ROLLBACK TO a",
        "INSERT INTO t VALUES (4)",
    )

    assert reopened(engine).rows("SELECT x FROM t") == [(1,), (4,)]


def test_vacuum_shrinks_the_database(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)", "CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(500000))")
    one.write("DROP TABLE big", "INSERT INTO t VALUES (1)")
    before = one.replica.page_count
    one.vacuum()

    assert one.replica.txid == 3
    assert (one.replica.page_count, before > 100) == (2, True)
    with pytest.raises(LookupError, match="page 3 of main"):
        one.replica.read(Pgno(3))  # room in the local cache, too
    header = Header.decode(store.get(transaction(3).key("main")), "")
    assert header.commit == 2
    assert reopened(engine).rows("SELECT x FROM t") == [(1,)]
    one.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (zeroblob(500000))")
    assert reopened(engine).rows("SELECT length(x) FROM big") == [(500000,)]


def test_incremental_vacuum(engine: MakeEngine) -> None:
    one = engine()
    one.replica.refresh()
    connection = one.connect()
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL; BEGIN; CREATE TABLE t(x); CREATE TABLE big(x)")
    connection.execute("INSERT INTO big VALUES (randomblob(400000))")
    one.commit(connection)
    connection.close()
    one.write("DELETE FROM big", "INSERT INTO t VALUES (1)")
    sizes = [one.replica.page_count]
    for pages in (10, 30, 1000):
        one.write(f"PRAGMA incremental_vacuum({pages})")
        sizes.append(one.replica.page_count)
        assert reopened(engine).image() == one.image()

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[1] == 10
    assert sizes[-1] < 10


def test_pages_that_sqlite_took_and_never_wrote(engine: MakeEngine, store: FaultyStore) -> None:
    """Filled and freed in one transaction they are on the free list, and SQLite has no need to write them."""
    one = engine()
    one.write(
        "CREATE TABLE t(x)",
        "CREATE TABLE big(x)",
        "INSERT INTO big VALUES (randomblob(300000))",
        "DELETE FROM big",
        "INSERT INTO t VALUES (1)",
    )
    decoder = Decoder([store.get(transaction(1).key("main"))], "")

    assert [pgno for pgno, _ in decoder.pages()] == list(range(1, decoder.header.commit + 1))
    cold = reopened(engine)
    assert cold.rows("PRAGMA freelist_count")[0][0] > 50
    cold.write("INSERT INTO big VALUES (randomblob(200000))")
    assert reopened(engine).rows("SELECT length(x) FROM big") == [(200000,)]


def test_full_text_search(engine: MakeEngine) -> None:
    one = engine()
    one.write("CREATE VIRTUAL TABLE f USING fts5(body)", "INSERT INTO f VALUES ('the quick fox'), ('a lazy dog')")
    one.write("INSERT INTO f(f) VALUES ('optimize')")
    one.write("DELETE FROM f WHERE body MATCH 'lazy'")

    cold = reopened(engine)
    assert cold.rows("SELECT body FROM f WHERE f MATCH 'qui*'") == [("the quick fox",)]
    assert cold.rows("SELECT count(*) FROM f") == [(1,)]
    cold.write("INSERT INTO f(f) VALUES ('integrity-check')")


def test_r_tree(engine: MakeEngine) -> None:
    one = engine()
    one.write("CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, y0, y1)")
    for n in range(3):
        one.write(
            f"WITH s(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM s WHERE v < 90) "
            f"INSERT INTO r SELECT v + {n * 100}, v, v + 1, {n}, {n + 1} FROM s"
        )

    cold = reopened(engine)
    assert cold.rows("SELECT id FROM r WHERE x0 >= 50 AND x1 <= 51 AND y0 >= 1 AND y1 <= 2") == [(150,)]
    assert cold.rows("SELECT rtreecheck('r')") == [("ok",)]


def test_tables_without_rowid_and_blobs_larger_than_pages(engine: MakeEngine) -> None:
    one = engine()
    one.write("CREATE TABLE w(k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID", page_size=512)
    one.write(*(f"INSERT INTO w VALUES ('k{n}', randomblob({n * 700}))" for n in range(60)))
    one.write("DELETE FROM w WHERE length(v) % 3 = 0", "UPDATE w SET v = zeroblob(9999) WHERE k = 'k1'")

    assert reopened(engine).rows("SELECT * FROM w") == one.rows("SELECT * FROM w")


# Commits that fail


def test_a_conflict_at_commit_ends_the_connection_and_the_next_one_is_right(
    engine: MakeEngine, store: FaultyStore
) -> None:
    one, other = engine(), engine()
    one.write("CREATE TABLE t(x)")
    other.replica.refresh()
    connection = one.connect()
    connection.execute("BEGIN; INSERT INTO t VALUES ('lost')")
    other.write("INSERT INTO t VALUES ('won')")

    with pytest.raises(Conflict):
        one.commit(connection)

    assert one.vfs.permit.txid is None
    with suppress(apsw.Error):
        connection.execute("ROLLBACK")
    connection.close(True)
    one.replica.refresh()
    assert one.rows("SELECT x FROM t") == [("won",)]
    assert one.write("INSERT INTO t VALUES ('again')") == 3
    assert reopened(engine).rows("SELECT x FROM t") == [("won",), ("again",)]


@pytest.mark.parametrize("spilled", [False, True])
def test_a_failed_commit_is_rolled_back_and_not_tried_again(
    engine: MakeEngine, store: FaultyStore, spilled: bool
) -> None:
    """SQLite plays its journal back and syncs again; the line is `self.is_granted = False` in CommitPermit.use."""
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES ('before')")
    store.verbs()
    store.plan("create", refuse)
    connection = one.connect()
    connection.execute("PRAGMA cache_size = 5; BEGIN; UPDATE t SET x = 'after'")
    if spilled:
        connection.execute("INSERT INTO t VALUES (zeroblob(300000))")

    with pytest.raises(Exception, match="access denied"):
        one.commit(connection)
    connection.close(True)
    one.draft.clear()

    assert store.verbs() == ["create", "get_range"]  # once; then whether it was applied all the same
    assert one.rows("SELECT x FROM t") == [("before",)]
    assert reopened(engine).rows("SELECT x FROM t") == [("before",)]


def test_commit_returns_only_after_the_store_has_the_transaction(engine: MakeEngine, store: FaultyStore) -> None:
    one, seen = engine(), []
    one.write("CREATE TABLE t(x)")
    connection = one.connect()
    connection.execute("BEGIN; INSERT INTO t VALUES (1)")
    store.plan("create", meanwhile(lambda: seen.append(one.vfs.permit.txid)))
    one.commit(connection)
    connection.close()

    assert seen == [None]
    assert one.vfs.permit.txid == 2


def test_a_commit_that_was_doubtful_three_times_leaves_a_usable_copy(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)")
    store.plan("create", clash, clash, clash)
    with pytest.raises(SldbError) as caught:
        one.write("INSERT INTO t VALUES (1)")
    assert caught.value.details["applied"] == "unknown"

    assert one.write("INSERT INTO t VALUES (2)") == 2
    assert reopened(engine).rows("SELECT x FROM t") == [(2,)]


def test_a_local_disk_that_fills_in_the_middle_commits_nothing(
    engine: MakeEngine, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a transaction must never be synced: it has not counted a change, and DraftVFS.write forbids it, too."""
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES ('before')")
    dirty, really_write, left = one.draft._dirty, type(one.draft._dirty).write, [3]

    def fail_soon(self: object, pgno: Pgno, page: bytes) -> None:
        if self is dirty:
            left[0] -= 1
            if left[0] < 0:
                raise OSError("No space left on device")
        really_write(self, pgno, page)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(dirty), "write", fail_soon)
        with pytest.raises(Exception, match=r"No space left|disk|full|I/O|IO"):
            one.write("UPDATE t SET x = 'after'", "INSERT INTO t VALUES (zeroblob(100000))")

    assert len(store.written) == 1
    assert one.rows("SELECT x FROM t") == [("before",)]
    assert one.write("INSERT INTO t VALUES ('next')") == 2


@pytest.mark.parametrize("other", [512, 4096, 65536])
def test_a_vacuum_to_another_page_size_fails_and_commits_nothing(
    engine: MakeEngine, store: FaultyStore, other: int
) -> None:
    """The log has one page size; the line is Draft._check_page_size."""
    one = engine()
    one.write("CREATE TABLE t(x)", "INSERT INTO t VALUES (randomblob(20000))", page_size=1024)
    before = one.image()
    connection = one.connect()
    connection.execute(f"PRAGMA page_size = {other}")
    with pytest.raises(ValueError, match=f"got {other}, want 1024"), one.vfs.permit.granted(Kind.UNKNOWN):
        connection.execute("VACUUM")
    connection.close(True)
    one.draft.clear()

    assert (len(store.written), one.vfs.permit.txid) == (1, None)
    assert one.image() == reopened(engine).image() == before
    one.vacuum()
    assert reopened(engine).replica.page_size == 1024


def test_a_commit_that_sqlite_rolls_back_itself_is_none(
    engine: MakeEngine, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local disk is full when COMMIT writes the last page to the journal: SQLite rolls back, and syncs that.

    The line is `has_counted_change` in CommitPermit.use; without it a transaction with the old pages is committed,
    and the caller takes what was rolled back for committed.
    """
    one = engine()
    one.write("CREATE TABLE t(n INTEGER PRIMARY KEY, x)", *(f"INSERT INTO t VALUES ({n}, 'old')" for n in range(9)))
    one.write(f"UPDATE t SET x = '{'old' * 1000}'")
    store.verbs()
    connection = one.connect()
    connection.execute(f"PRAGMA cache_size = 1; BEGIN; UPDATE t SET x = '{'new' * 1000}'")
    assert len(one.draft._dirty) > 0

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lambda_handlers.storage.vfs._UnsyncedFile.xWrite", fail, raising=False)
        with pytest.raises(Exception, match=r"No space left|disk|I/O"):
            one.commit(connection)
    connection.close(True)
    one.draft.clear()

    assert (one.vfs.permit.txid, store.verbs()) == (None, [])
    assert one.rows("SELECT DISTINCT substr(x, 1, 3) FROM t") == [("old",)]
    assert one.is_sound()


# Databases from elsewhere


def imported(store: FaultyStore, path: Path) -> None:
    """The pages of a database file as transaction 1, as a push or Litestream would make it."""
    image = path.read_bytes()
    page_size = int.from_bytes(image[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    pages = [(Pgno(n // page_size + 1), image[n : n + page_size]) for n in range(0, len(image), page_size)]
    store.create(transaction(1).key("main"), encode_ltx(Header(page_size, len(pages), 1, 1, 0), pages))


def test_a_database_in_wal_mode_opens(engine: MakeEngine, store: FaultyStore, tmp_path: Path) -> None:
    """Bytes 18 and 19 of its header say 2; the line is `_ROLLBACK_JOURNAL` in _DatabaseFile.xRead."""
    path = tmp_path / "wal.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t(x)")
    database.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    assert path.read_bytes()[18:20] == b"\2\2"
    imported(store, path)
    one = engine()
    one.replica.refresh()

    assert one.is_sound()
    assert one.rows("SELECT count(*) FROM t") == [(1000,)]
    assert one.rows("PRAGMA journal_mode") == [("delete",)]
    assert one.write("DELETE FROM t WHERE x >= 10") == 2
    one.vacuum()
    assert reopened(engine).rows("SELECT x FROM t") == [(n,) for n in range(10)]


@pytest.mark.parametrize("auto_vacuum", ["NONE", "FULL", "INCREMENTAL"])
def test_a_file_of_another_sqlite_opens(
    engine: MakeEngine, store: FaultyStore, tmp_path: Path, auto_vacuum: str
) -> None:
    path = tmp_path / "file.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA page_size = 1024")
    database.execute(f"PRAGMA auto_vacuum = {auto_vacuum}")
    database.execute("CREATE TABLE t(x)")
    database.executemany("INSERT INTO t VALUES (?)", [("x" * n,) for n in range(300)])
    database.commit()
    database.close()
    imported(store, path)
    one = engine()
    one.write("DELETE FROM t WHERE length(x) > 100")
    cold = reopened(engine)

    assert cold.rows("SELECT count(*) FROM t") == [(101,)]
    (tmp_path / "back.db").write_bytes(cold.image())
    database = sqlite3.connect(tmp_path / "back.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("SELECT count(*) FROM t").fetchall() == [(101,)]
    database.close()


def test_connections_leave_nothing_to_the_next(engine: MakeEngine) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)")
    connection = one.connect()
    connection.execute("CREATE TEMP TABLE mine(x); BEGIN; INSERT INTO t VALUES (1)")
    connection.close(True)
    one.draft.clear()

    assert one.rows("SELECT name FROM sqlite_temp_schema") == []
    assert one.rows("SELECT * FROM t") == []


def test_what_is_attached_is_read_only_to_sqlite_itself(engine: MakeEngine) -> None:
    """Whatever the authorizer says; the line is the one with SQLITE_OPEN_READONLY in DraftVFS._open_database."""
    one, other = engine(), engine()
    one.write("CREATE TABLE t(n)")
    other.replica.refresh()
    connection = one.vfs.connect(lambda _name: other.replica)
    try:
        connection.execute("ATTACH 'other' AS o")
        assert connection.readonly("o")
        with pytest.raises(apsw.ReadOnlyError):
            connection.execute("INSERT INTO o.t VALUES (1)")
    finally:
        connection.close(True)
