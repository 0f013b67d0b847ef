"""Writers at the same time: with a lock, with a broken lock, and without one."""

from __future__ import annotations

import threading

import pytest

from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.wire import Request, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.service import run

MANY_PAGES = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, randomblob(3000) FROM n"""


def test_writers_without_a_lock_lose_nothing(container, store):
    run(container(store), "CREATE TABLE t (w, n, PRIMARY KEY (w, n))")
    acknowledged = []

    def write(writer):
        service = container(store)
        for number in range(15):
            run(service, "INSERT INTO t VALUES (?, ?)", [writer, number])
            acknowledged.append((writer, number))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run(container(store), "SELECT w, n FROM t").rows) == sorted(acknowledged)
    assert len(acknowledged) == 120


class BrokenLock:
    """A lock that was broken while its holder worked, and whose release fails as well."""

    freed_stale = 0

    def __init__(self, during):
        self.during = during

    def acquire(self, database, deadline, doing, sleep=None):
        self.doing = doing
        return Holder("id", database, "me", 0.0, doing)

    def release(self, lock_id, database):
        self.during()
        raise SldbError("store_error", "EC2 is away")


def test_a_lost_lock_does_not_make_a_committed_write_fail(container, store, capsys):
    lock = BrokenLock(during=lambda: None)
    service = container(store, lock, log_level="warning")
    assert run(service, "CREATE TABLE t (a)").txid == 1
    assert lock.doing == "CREATE"  # a cold request takes it before SQLite has seen its statements
    assert "lock_not_released" in capsys.readouterr().err


def test_a_writer_whose_lock_was_broken_cannot_overwrite(container, store):
    """Two containers that both believe they hold the lock, and read the same transaction before either commits."""
    run(container(store), "CREATE TABLE t (a)")
    other = container(store)

    class StoreThatLetsTheOtherIn(MeteredStore):
        armed = False

        def create(self, key, body):
            if self.armed:
                self.armed = False
                run(other, "INSERT INTO t VALUES ('other')")
            return super().create(key, body)

    mine = StoreThatLetsTheOtherIn(store)
    service = container(mine, BrokenLock(during=lambda: None), log_level="error")
    run(service, "SELECT 1")
    mine.armed = True
    reply = run(service, "INSERT INTO t VALUES ('mine') RETURNING (SELECT count(*) FROM t)")
    assert reply.txid == 3
    assert run(other, "SELECT a FROM t ORDER BY rowid").rows == [("other",), ("mine",)]


def test_a_lost_race_with_if_txid_is_a_conflict(container, store):
    run(container(store), "CREATE TABLE t (a)")
    other = container(store)

    class Late(MeteredStore):
        def create(self, key, body):
            run(other, "INSERT INTO t VALUES ('other')")
            return super().create(key, body)

    with pytest.raises(SldbError) as caught:
        run(container(Late(store)), "INSERT INTO t VALUES ('mine')", if_txid=1)
    assert caught.value.code == "conflict"
    assert run(other, "SELECT a FROM t").rows == [("other",)]


def test_a_request_that_another_delivery_applied_meanwhile_is_no_conflict(container, store):
    """It was told that nothing was applied, because if_txid did not hold any more."""
    run(container(store), "CREATE TABLE t (a)")
    other = container(store)
    request = {"query": "INSERT INTO t VALUES ('once') RETURNING a", "if_txid": 1, "request_id": "same"}
    first = []

    class Late(MeteredStore):
        def create(self, key, body):
            if key.endswith(".ltx") and not first:
                first.append(other.reply(Request.decode(request)))
            return super().create(key, body)

    again = container(Late(store)).reply(Request.decode(request))
    assert (again.rows, again.txid) == (first[0].rows, first[0].txid) == ([("once",)], 2)
    assert run(other, "SELECT count(*) FROM t").rows == [(1,)]


@pytest.mark.long
def test_races_that_are_always_lost_end(container, store):
    run(container(store), "CREATE TABLE t (a)")
    other = container(store)

    class AlwaysLate(MeteredStore):
        def create(self, key, body):
            run(other, "INSERT INTO t VALUES ('other')")
            return super().create(key, body)

    service = container(AlwaysLate(store), host=Clock().host())
    with pytest.raises(SldbError) as caught:
        run(service, "INSERT INTO t VALUES ('mine')")
    assert (caught.value.code, caught.value.exit_code) == ("conflict", 75)
    assert run(other, "SELECT count(*) FROM t WHERE a = 'mine'").rows == [(0,)]


def test_races_end_with_the_time_of_the_request(container, store):
    run(container(store), "CREATE TABLE t (a)")
    other, clock = container(store), Clock()
    deadline = clock.time + 0.5
    try_seconds = 0.04

    class AlwaysLateAndSlow(MeteredStore):
        def create(self, key, body):
            run(other, "INSERT INTO t VALUES ('other')")
            clock.time += 0.04
            return super().create(key, body)

    service = container(AlwaysLateAndSlow(store), host=clock.host())
    with pytest.raises(SldbError, match="until the time was up") as caught:
        run(service, "INSERT INTO t VALUES ('mine')", timeout=0.5)
    assert caught.value.code == "conflict"
    assert clock.time <= deadline + try_seconds


@pytest.mark.parametrize("query", ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2); SELECT nope"])
def test_a_request_that_fails_leaves_no_lock(container, store, query):
    lock = ObjectLock(store, Clock().host(), max_age_seconds=90, retry_seconds=1)
    service = container(store, lock)
    run(service, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")
    with pytest.raises(SldbError):
        run(service, query)
    assert lock.holders() == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT sum(length(b)) FROM t",
        "SELECT count(*) FROM t",  # one step of SQLite's machine
        "ATTACH 'main' AS other; SELECT count(*) FROM other.t",
        "UPDATE t SET b = a",
        "DELETE FROM t",
        "VACUUM",
    ],
)
def test_a_statement_that_waits_for_page_after_page_ends_with_its_time(container, store, query):
    """It takes so few of SQLite's steps that the clock is not looked at between them."""
    run(container(store), f"CREATE TABLE t (a, b); {MANY_PAGES}")
    clock, get_seconds, timeout = Clock(), 0.2, 2.0

    class SlowStore(MeteredStore):
        def get_range(self, key, start, length):
            clock.time += get_seconds
            return super().get_range(key, start, length)

    slow = SlowStore(store)
    lock = ObjectLock(slow, clock.host(), max_age_seconds=90, retry_seconds=1)
    service = container(slow, lock, host=clock.host(), cache_bytes=64 << 10)
    began = clock.time
    with pytest.raises(SldbError) as caught:
        run(service, query, timeout=timeout)
    assert caught.value.code == "query_timeout"
    ranges_at_once = 8  # those that were on their way
    assert clock.time <= began + timeout + ranges_at_once * get_seconds
    assert lock.holders() == []
    assert run(container(store), "SELECT count(*), sum(b IS a) FROM t").rows == [(3000, 0)]
