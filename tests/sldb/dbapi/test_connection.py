"""Connections: kinds of autocommit, settings that last, the past, interrupts, threads."""

from __future__ import annotations

import threading

import pytest

import sldb
from lambda_handlers.wire import Request
from tests.sldb.dbapi.conftest import Connect, CountingTarget


def test_reads_outside_of_a_transaction_see_others(connection: sldb.Connection, connect: Connect) -> None:
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert not connection.in_transaction
    connect(autocommit=True).execute("INSERT INTO t (name) VALUES ('a')")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_with_autocommit_false_there_is_always_a_transaction(connection: sldb.Connection, connect: Connect) -> None:
    strict = connect(autocommit=False)
    assert strict.in_transaction
    assert strict.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connect(autocommit=True).execute("INSERT INTO t (name) VALUES ('a')")
    assert strict.execute("SELECT count(*) FROM t").fetchone() == (0,)
    strict.commit()
    assert strict.execute("SELECT count(*) FROM t").fetchone() == (1,)
    with pytest.raises(sldb.OperationalError, match="within a transaction"):
        strict.execute("BEGIN")
    strict.execute("CREATE TABLE u (a)")
    strict.rollback()
    with pytest.raises(sldb.OperationalError, match="no such table: u"):
        strict.execute("SELECT * FROM u")


@pytest.mark.parametrize("options", [{"autocommit": True}, {"isolation_level": None}])
def test_autocommit(connection: sldb.Connection, connect: Connect, options: dict[str, object]) -> None:
    other = connect(**options)
    other.execute("INSERT INTO t (name) VALUES ('a')")
    assert (other.in_transaction, other.txid) == (False, 2)
    other.execute("BEGIN")
    other.execute("INSERT INTO t (name) VALUES ('b')")
    assert other.in_transaction
    other.execute("ROLLBACK")
    for statement in ("COMMIT", "ROLLBACK"):
        with pytest.raises(sldb.OperationalError, match="no transaction is active"):
            other.execute(statement)
    assert connection.execute("SELECT name FROM t").fetchall() == [("a",)]


def test_changes_of_the_mode_commit(connection: sldb.Connection) -> None:
    connection.execute("INSERT INTO t (name) VALUES ('a')")
    connection.isolation_level = None
    assert not connection.in_transaction
    connection.isolation_level = "immediate"
    connection.execute("INSERT INTO t (name) VALUES ('b')")
    connection.autocommit = True
    assert (connection.in_transaction, connection.txid) == (False, 3)
    for wrong in ("EVENTUAL", "\0", 5, b""):
        with pytest.raises((ValueError, TypeError)):
            connection.isolation_level = wrong  # type: ignore[assignment]
    with pytest.raises(ValueError, match="autocommit"):
        connection.autocommit = 7


def test_a_block_commits_or_rolls_back(connection: sldb.Connection) -> None:
    with connection:
        connection.execute("INSERT INTO t (name) VALUES ('a')")
    with pytest.raises(sldb.IntegrityError), connection:
        connection.executescript("BEGIN; INSERT INTO t (name) VALUES ('b'); INSERT INTO t (name) VALUES ('a')")
    assert connection.execute("SELECT name FROM t").fetchall() == [("a",)]


def test_foreign_keys(connect: Connect) -> None:
    connection = connect(foreign_keys=False)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE c (id REFERENCES p)")
    connection.execute("INSERT INTO c VALUES (7)")
    connection.execute("DELETE FROM c WHERE id = 8")
    connection.commit()
    other = connect()
    with pytest.raises(sldb.IntegrityError):
        other.execute("INSERT INTO c VALUES (9)")
    other.rollback()
    other.execute("PRAGMA foreign_keys = OFF")
    assert other.execute("PRAGMA foreign_keys").fetchone() == (0,)
    other.execute("INSERT INTO c VALUES (9)")
    other.execute("INSERT INTO c VALUES (10)")
    other.commit()
    other.execute("VACUUM")
    other.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sldb.IntegrityError):
        other.execute("INSERT INTO c VALUES (11)")


def test_attached_databases_last(connection: sldb.Connection) -> None:
    past = f"{connection.client.database}-past"
    assert connection.branch(past)["created"]
    connection.execute(f"ATTACH '{past}' AS past")
    with connection:
        connection.execute("INSERT INTO t (name) VALUES ('a')")
        assert connection.execute("SELECT count(*) FROM past.t").fetchone() == (0,)
    assert connection.execute("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM past.t)").fetchone() == (1, 0)
    with pytest.raises(sldb.OperationalError) as caught:
        connection.execute("SELECT * FROM nowhere")
    assert caught.value.details["statement"] == 0
    connection.execute("DETACH past")
    with pytest.raises(sldb.OperationalError, match=r"no such table: past\.t"):
        connection.execute("SELECT * FROM past.t")


def test_the_past(connection: sldb.Connection) -> None:
    with connection:
        connection.execute("INSERT INTO t (name) VALUES ('a')")
    before = connection.txid
    assert before is not None
    with connection:
        connection.execute("UPDATE t SET name = 'b'")
    past = connection.at(before)
    assert past.execute("SELECT name FROM t").fetchone() == ("a",)
    with pytest.raises(sldb.OperationalError) as caught, past:
        past.execute("DELETE FROM t")
    assert caught.value.code == "read_only"
    past.close()
    assert connection.execute("SELECT name FROM t").fetchone() == ("b",)
    assert [one["txid"] for one in connection.history(limit=2)] == [before + 1, before]


def test_a_statement_is_interrupted_by_another_thread(connection: sldb.Connection, target: CountingTarget) -> None:
    started = threading.Event()
    target.before = lambda request: started.set()

    def interrupt() -> None:
        started.wait()
        connection.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(sldb.OperationalError) as caught:
        connection.execute("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    thread.join()
    assert caught.value.code == "cancelled"
    connection.interrupt()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_threads_share_a_connection(connection: sldb.Connection) -> None:
    def insert(number: int) -> None:
        for step in range(5):
            connection.execute("INSERT INTO t (name) VALUES (?)", (f"{number} {step}",))

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.commit()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (20,)


def test_a_read_only_connection(connection: sldb.Connection, connect: Connect, target: CountingTarget) -> None:
    reader = connect(read_only=True)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert all(isinstance(request, Request) and request.read_only for request in target.sent)
    with pytest.raises(sldb.OperationalError) as caught:
        reader.execute("INSERT INTO t (name) VALUES ('a')")
    assert caught.value.code == "read_only"


def test_the_exceptions_are_attributes_of_the_connection(connection: sldb.Connection) -> None:
    for name in ("Warning", "Error", "DatabaseError", "IntegrityError", "NotSupportedError"):
        assert getattr(connection, name) is getattr(sldb, name)
