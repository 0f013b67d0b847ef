"""SQLite over the VFS: one thing at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import apsw
import pytest

from lambda_handlers.storage.log.keys import head_key, transaction
from lambda_handlers.storage.log.ltx import PAGE_SIZES, Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from tests.fakes.stores.faulty import FaultyStore
from tests.lambda_handlers.storage.reopening import MakeEngine, reopened


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
    assert len(store.written) == 2  # transaction 1 and its head


def test_a_large_transaction_spills_and_is_one_object(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.replica.refresh()
    connection = one.connect()
    connection.execute("PRAGMA cache_size = 10; BEGIN; CREATE TABLE t(x)")
    for n in range(2000):
        connection.execute("INSERT INTO t VALUES (?)", (f"{n} " * 500,))
    one.commit(connection)
    connection.close()

    assert list(store.written) == [transaction(1).key("main"), head_key("main")]
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
