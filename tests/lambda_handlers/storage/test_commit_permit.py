"""Commits over the VFS that fail or are rolled back: only a permitted COMMIT with a counted change commits."""

from __future__ import annotations

from contextlib import suppress

import apsw
import pytest

from lambda_handlers.storage.log.keys import head_key, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.replica import Conflict
from lambda_handlers.wire import SldbError
from tests.fakes.stores.faulty import FaultyStore, clash, meanwhile, refuse
from tests.lambda_handlers.storage.reopening import MakeEngine, reopened


def test_a_rollback_makes_no_transaction(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)")
    connection = one.connect()
    connection.execute("BEGIN; INSERT INTO t VALUES (1); ROLLBACK")
    connection.close()

    assert list(store.written) == [transaction(1).key("main"), head_key("main")]


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

    assert len(store.written) == 2  # transaction 1 and its head
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

    assert len(store.written) == 2  # transaction 1 and its head
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

    assert (len(store.written), one.vfs.permit.txid) == (2, None)  # transaction 1 and its head
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


def test_commits_inside_the_draft_are_one_transaction_of_the_store(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write("CREATE TABLE t(x)")
    store.verbs()
    connection = one.connect()
    for word in ("COMMIT", "ROLLBACK", "COMMIT", "ROLLBACK"):
        connection.execute("BEGIN; INSERT INTO t VALUES (?1), (zeroblob(9000))", (word,))
        connection.execute(word)
    assert store.verbs() == []
    with one.vfs.permit.granted(Kind.INSERT):  # SQLite has nothing left to commit
        one.vfs.commit_rest()
        one.vfs.commit_rest()
    connection.close()

    assert (one.vfs.permit.txid, store.verbs()) == (2, ["create"])
    other = reopened(engine)
    assert other.rows("SELECT x FROM t WHERE typeof(x) = 'text'") == [("COMMIT",), ("COMMIT",)]
    assert other.is_sound()


@pytest.mark.parametrize("is_new", [True, False])
def test_what_was_rolled_back_inside_the_draft_is_no_commit(
    engine: MakeEngine, store: FaultyStore, is_new: bool
) -> None:
    one = engine()
    if not is_new:
        one.write("CREATE TABLE t(x)")
    store.verbs()
    connection = one.connect()
    connection.execute("PRAGMA cache_size = 5; BEGIN; CREATE TABLE u(x); INSERT INTO u VALUES (zeroblob(200000))")
    connection.execute("ROLLBACK")
    with one.vfs.permit.granted(Kind.INSERT):
        one.vfs.commit_rest()
    connection.close()
    assert (one.vfs.permit.txid, store.verbs()) == (None, [])


def test_commits_inside_the_draft_are_not_committed_by_a_commit_that_sqlite_rolls_back(
    engine: MakeEngine, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be half of a request; the line is the choice of `before` in Draft.has_counted_change."""
    one = engine()
    one.write("CREATE TABLE t(n INTEGER PRIMARY KEY, x)", *(f"INSERT INTO t VALUES ({n}, 'old')" for n in range(9)))
    one.write(f"UPDATE t SET x = '{'old' * 1000}'")
    store.verbs()
    connection = one.connect()
    connection.execute("INSERT INTO t VALUES (99, 'half')")
    connection.execute(f"PRAGMA cache_size = 1; BEGIN; UPDATE t SET x = '{'new' * 1000}' WHERE n < 9")

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lambda_handlers.storage.vfs._UnsyncedFile.xWrite", fail, raising=False)
        with pytest.raises(Exception, match=r"No space left|disk|I/O"):
            one.commit(connection)
    assert list(connection.execute("SELECT x FROM t WHERE n = 99")) == [("half",)]
    connection.close(True)
    one.draft.clear()

    assert (one.vfs.permit.txid, store.verbs()) == (None, [])
    assert one.is_sound()
