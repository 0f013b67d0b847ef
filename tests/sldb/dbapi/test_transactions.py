"""Transactions through the driver: what they see, when they conflict, what they send."""

from __future__ import annotations

import threading

import pytest

import sldb
from lambda_handlers.wire import Many, Request, SldbError
from tests.sldb.dbapi.conftest import Connect, CountingTarget


def names(connection: sldb.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM t ORDER BY id")]


def test_a_transaction_sees_its_own_changes_and_others_do_not(connection: sldb.Connection, connect: Connect) -> None:
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    assert connection.in_transaction
    assert (names(connection), names(connect())) == (["a"], [])
    connection.commit()
    assert not connection.in_transaction
    assert names(connect()) == ["a"]


def test_a_rollback_leaves_nothing(connection: sldb.Connection, connect: Connect) -> None:
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    connection.rollback()
    assert names(connection) == names(connect()) == []


def test_unrelated_commits_are_no_conflict(connection: sldb.Connection, connect: Connect) -> None:
    other = connect(isolation_level=None)
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    other.execute("INSERT INTO t (name) VALUES ('b')")
    connection.commit()
    assert sorted(names(other)) == ["a", "b"]


def test_a_changed_result_is_a_conflict_that_may_be_tried_again(connection: sldb.Connection, connect: Connect) -> None:
    connection.execute("BEGIN")
    assert names(connection) == []
    connect(isolation_level=None).execute("INSERT INTO t (name) VALUES ('b')")
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    with pytest.raises(sldb.OperationalError) as caught:
        connection.commit()
    assert (caught.value.code, caught.value.retryable, caught.value.applied) == ("conflict", True, "no")
    assert not connection.in_transaction
    assert names(connection) == ["b"]


def test_run_tries_again_until_nothing_has_changed(connection: sldb.Connection, connect: Connect) -> None:
    other = connect(isolation_level=None)
    seen: list[int] = []

    def add(inside: sldb.Connection) -> int:
        (count,) = inside.execute("SELECT count(*) FROM t").fetchone()
        seen.append(count)
        if len(seen) < 3:
            other.execute("INSERT INTO t (name) VALUES (?)", (f"other {count}",))
        inside.execute("INSERT INTO t (name) VALUES (?)", (f"mine {count}",))
        return count

    assert connection.run(add) == 2
    assert seen == [0, 1, 2]
    assert names(connection) == ["other 0", "other 1", "mine 2"]


def test_run_rolls_back_after_an_exception_and_does_not_try_again(connection: sldb.Connection) -> None:
    calls = 0

    def fail(inside: sldb.Connection) -> None:
        nonlocal calls
        calls += 1
        inside.execute("INSERT INTO t (name) VALUES ('a')")
        raise KeyError(calls)

    with pytest.raises(KeyError):
        connection.run(fail)
    assert (calls, names(connection), connection.in_transaction) == (1, [], False)


def test_an_error_leaves_the_transaction_open(connection: sldb.Connection) -> None:
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    with pytest.raises(sldb.IntegrityError, match=r"UNIQUE constraint failed: t\.name"):
        connection.execute("INSERT INTO t (name) VALUES ('a')")
    assert connection.in_transaction
    connection.execute("INSERT INTO t (name) VALUES ('b')")
    connection.commit()
    assert names(connection) == ["a", "b"]


def test_or_rollback_ends_it(connection: sldb.Connection) -> None:
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    with pytest.raises(sldb.IntegrityError):
        connection.execute("INSERT OR ROLLBACK INTO t (name) VALUES ('a')")
    assert not connection.in_transaction
    connection.commit()
    assert names(connection) == []


def test_savepoints(connection: sldb.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    connection.execute("SAVEPOINT s")
    connection.execute("INSERT INTO t (name) VALUES ('b')")
    connection.execute("ROLLBACK TO s")
    connection.execute("RELEASE s")
    assert connection.in_transaction
    connection.execute("COMMIT")
    assert names(connection) == ["a"]


def test_a_savepoint_outside_begins_a_transaction_and_its_release_commits(
    connection: sldb.Connection, connect: Connect
) -> None:
    connection.isolation_level = None
    connection.execute("SAVEPOINT outer_one")
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    connection.execute("SAVEPOINT inner_one")
    connection.execute("RELEASE inner_one")
    assert (connection.in_transaction, names(connect())) == (True, [])
    connection.execute("RELEASE SAVEPOINT outer_one")
    assert (connection.in_transaction, names(connect())) == (False, ["a"])


def test_deferred_foreign_keys_fail_the_commit_and_leave_it_open(connection: sldb.Connection) -> None:
    connection.execute("CREATE TABLE c (id REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    connection.execute("INSERT INTO c VALUES (7)")
    with pytest.raises(sldb.IntegrityError, match="FOREIGN KEY"):
        connection.commit()
    assert connection.in_transaction
    connection.execute("INSERT INTO t (id) VALUES (7)")
    connection.commit()
    assert connection.execute("SELECT id FROM c").fetchall() == [(7,)]


# What is sent


def test_what_is_sent(connection: sldb.Connection, target: CountingTarget) -> None:
    connection.execute("BEGIN")
    assert target.count() == 0
    connection.execute("SELECT * FROM t")
    assert target.count() == 1
    connection.commit()
    assert target.count() == 0, "it has only read"
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    connection.commit()
    assert target.count() == 2
    connection.commit()
    connection.rollback()
    assert target.count() == 0
    connection.execute("INSERT INTO t (name) VALUES ('b')")
    connection.rollback()
    assert target.count() == 1, "a rollback is not sent"


def test_many_rows_are_one_request_and_one_commit(connection: sldb.Connection, target: CountingTarget) -> None:
    connection.executemany("INSERT INTO t (name) VALUES (?)", ((f"row {n}",) for n in range(10_000)))
    ((statement,), sent) = target.sent[0].statements, target.count()
    assert (sent, len(statement.params.rows)) == (1, 10_000)
    connection.commit()
    assert target.count() == 1
    assert [one["txid"] for one in connection.history()] == [2, 1]


def test_to_a_function_of_an_earlier_version_they_are_statements(
    connection: sldb.Connection, target: CountingTarget
) -> None:
    def refuse(request: Request) -> None:
        if any(isinstance(one.params, Many) for one in request.statements):
            raise SldbError("bad_request", "unknown", field="statements[1].many")

    target.before = refuse
    connection.execute("PRAGMA recursive_triggers = ON")
    cursor = connection.executemany("INSERT INTO t (name) VALUES (?)", [("a",), ("b",)])
    connection.executemany("INSERT INTO t (name) VALUES (?)", [("c",)])
    connection.commit()
    assert (cursor.rowcount, target.count()) == (2, 5), "asked once"
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (3,)


def test_many_rows_outside_of_a_transaction(connect: Connect, target: CountingTarget) -> None:
    connection = connect(autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    target.count()
    cursor = connection.executemany("INSERT INTO t (name) VALUES (?)", ((f"row {n}",) for n in range(1000)))
    assert (target.count(), cursor.rowcount, connection.txid) == (1, 1000, 2)
    large = "x" * 1_500_000
    connection.executemany("INSERT INTO t (name) VALUES (?)", [(large,)] * 4)
    assert target.count() == 3, "two requests of one transaction, and its commit"
    assert connection.txid == 3
    with pytest.raises(sldb.IntegrityError):
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(5000, large), (5001, large), (5000, large)])
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1004,)
    assert not connection.in_transaction


# Rowids


def test_a_rowid_is_asked_for_when_it_is_wanted(connection: sldb.Connection, target: CountingTarget) -> None:
    cursor = connection.execute("INSERT INTO t (name) VALUES ('a')")
    assert target.count() == 1
    assert cursor.lastrowid == 1
    assert target.count() == 1
    assert cursor.lastrowid == 1
    assert target.count() == 0
    connection.commit()
    assert cursor.lastrowid == 1


def test_rowids_of_two_cursors(connection: sldb.Connection, target: CountingTarget) -> None:
    first = connection.execute("INSERT INTO t (name) VALUES ('a')")
    second = connection.execute("INSERT INTO t (id, name) VALUES (9, 'b')")
    assert target.count() == 2, "that of the first cursor is asked for with the second statement"
    assert (first.lastrowid, second.lastrowid) == (1, 9)
    connection.execute("SELECT 1")
    assert (first.lastrowid, second.lastrowid) == (1, 9)


def test_two_inserts_conflict_only_if_both_rowids_were_seen(connection: sldb.Connection, connect: Connect) -> None:
    other = connect()
    mine, theirs = (one.execute("INSERT INTO t (name) VALUES (?)", (str(id(one)),)) for one in (connection, other))
    other.commit()
    connection.commit()
    assert len(names(connection)) == 2

    mine = connection.execute("INSERT INTO t (name) VALUES ('a')")
    assert mine.lastrowid == 3
    theirs = other.execute("INSERT INTO t (name) VALUES ('b')")
    assert theirs.lastrowid == 3
    other.commit()
    with pytest.raises(sldb.OperationalError) as caught:
        connection.commit()
    assert caught.value.retryable


def test_the_rowid_after_a_commit_is_that_of_the_commit(connection: sldb.Connection, connect: Connect) -> None:
    cursor = connection.execute("INSERT INTO t (name) VALUES ('a')")
    connect(isolation_level=None).execute("INSERT INTO t (name) VALUES ('b')")
    connection.commit()
    assert cursor.lastrowid == 2
    assert connection.execute("SELECT id FROM t WHERE name = 'a'").fetchone() == (2,)


# Faults


def lost(target: CountingTarget, *, after_send: bool) -> None:
    """Have the next COMMIT fail without an answer."""

    def fail(request: Request) -> None:
        if request.transaction and request.transaction.commits:
            target.before = target.after = lambda request: None
            raise SldbError("store_error", "the connection was lost", applied="unknown")

    if after_send:
        target.after = fail
    else:
        target.before = fail


@pytest.mark.parametrize("after_send", [True, False], ids=["answer lost", "request lost"])
def test_a_commit_without_an_answer_is_applied_once(
    connection: sldb.Connection, target: CountingTarget, *, after_send: bool
) -> None:
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    lost(target, after_send=after_send)
    with pytest.raises(sldb.OperationalError) as caught:
        connection.commit()
    assert (caught.value.applied, connection.in_transaction) == ("unknown", True)
    connection.commit()
    assert not connection.in_transaction
    assert names(connection) == ["a"]
    assert [one["txid"] for one in connection.history()] == [2, 1]


def test_transfers_of_many_threads_lose_no_money(connection: sldb.Connection, connect: Connect) -> None:
    connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")
    connection.executemany("INSERT INTO account VALUES (?, 100)", [(1,), (2,), (3,)])
    connection.commit()
    errors: list[BaseException] = []

    def transfers(number: int) -> None:
        own = connect()
        try:
            for step in range(5):
                source, target = 1 + (number + step) % 3, 1 + (number + step + 1) % 3
                own.run(lambda inside, a=source, b=target: move(inside, a, b), tries=100)  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            errors.append(error)

    threads = [threading.Thread(target=transfers, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    balances = [balance for (balance,) in connection.execute("SELECT balance FROM account")]
    assert sum(balances) == 300
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (20,)


def move(inside: sldb.Connection, source: int, target: int) -> None:
    """Move 1 by reading and writing back: a lost update would make or lose money."""
    read = "SELECT balance FROM account WHERE id = ?"
    (a,), (b,) = (inside.execute(read, (one,)).fetchone() for one in (source, target))
    inside.execute("UPDATE account SET balance = ? WHERE id = ?", (a - 1, source))
    inside.execute("UPDATE account SET balance = ? WHERE id = ?", (b + 1, target))
    inside.execute("INSERT INTO t (name) VALUES (lower(hex(randomblob(8))))")
