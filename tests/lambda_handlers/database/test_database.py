"""Requests against a database, as a container runs them: the real engine over a store in memory."""

from __future__ import annotations

import json
import math
import threading
import time

import pytest

from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.settings import MIB
from lambda_handlers.shared.holder import Holder
from lambda_handlers.storage.log.keys import snapshot
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Action, Request, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import compact
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

MANY_PAGES = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, randomblob(3000) FROM n"""


@pytest.fixture
def store():
    return memory_store()


@pytest.fixture
def container():
    """Makes containers, and closes them all at the end."""
    made = []

    def make(*args, **settings):
        made.append(new_container(*args, **settings))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(container, store):
    return container(store)


def refused(service, query, params=None, **fields):
    """The error of a request, after a look that nothing was applied."""
    before = service.reply(Request.decode({"query": "SELECT 1"})).txid
    with pytest.raises(SldbError) as caught:
        run(service, query, params, **fields)
    assert service.reply(Request.decode({"query": "SELECT 1"})).txid == before
    return caught.value


def keys(store, database="main"):
    return [info.key for info in store.list_objects(f"{database}/")]


# Transactions


def test_statements_of_one_request_are_one_transaction(service, store):
    reply = run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); SELECT sum(a) FROM t")
    assert reply.txid == 1
    assert reply.rows == [(3,)]
    assert [result.rowcount for result in reply.results] == [0, 2, 1]
    assert keys(store) == ["main/0000/0000000000000001-0000000000000001.ltx"]


def test_a_failed_statement_undoes_those_before_it(service):
    run(service, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")
    error = refused(service, "INSERT INTO t VALUES (2); INSERT INTO t VALUES (1); INSERT INTO t VALUES (3)")
    assert (error.code, error.details["statement"]) == ("constraint", 1)
    assert error.details["sqlite_code"] == "SQLITE_CONSTRAINT_UNIQUE"
    assert run(service, "SELECT a FROM t").rows == [(1,)]


def test_statements_with_params_of_their_own(service):
    event = {
        "statements": [
            {"query": "CREATE TABLE t (a, b)"},
            {"query": "INSERT INTO t VALUES (?, ?)", "params": [1, {"$blob": "AP8="}]},
            {"query": "INSERT INTO t VALUES (:a, :b)", "params": {"a": 2, "b": None}},
            {"query": "SELECT * FROM t"},
        ]
    }
    assert service.reply(Request.decode(event)).rows == [(1, b"\x00\xff"), (2, None)]


def test_values_round_trip_exactly(service):
    values = [INTEGER_MAX, INTEGER_MIN, 2**53 + 1, 0.1, 1.0, math.inf, -math.inf, -0.0, "", "\x00é", b"", b"\x00", None]
    run(service, "CREATE TABLE t (n INTEGER PRIMARY KEY, v)")
    for number, value in enumerate(values):
        service.reply(Request.decode({"query": "INSERT INTO t VALUES (?, ?)", "params": [number, _encoded(value)]}))
    body = json.loads(json.dumps(service.handle({"query": "SELECT v FROM t ORDER BY n"})["body"]))
    assert [row[0] for row in body["rows"]] == [_encoded(value) for value in values]
    assert [repr(row[0]) for row in run(service, "SELECT v FROM t ORDER BY n").rows] == [
        repr(value) for value in values
    ]


def _encoded(value):
    from lambda_handlers.wire import encode_value

    return encode_value(value)


def test_columns_have_their_declared_types(service):
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(20), c)")
    reply = run(service, "SELECT a, b, c, 1 + 1 AS d FROM t")
    assert [column.name for column in reply.columns] == ["a", "b", "c", "d"]
    assert [column.type for column in reply.columns] == ["INTEGER", "VARCHAR(20)", None, None]
    assert reply.rows == []


def test_rowcount_and_lastrowid(service):
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    assert run(service, "INSERT INTO t (b) VALUES (1), (2)").results[0].lastrowid == 2
    assert run(service, "UPDATE t SET b = 3").results[0].rowcount == 2
    returning = run(service, "DELETE FROM t WHERE a = 1 RETURNING a").results[0]
    assert (returning.rows, returning.rowcount, returning.lastrowid) == ([(1,)], 1, None)
    assert run(service, "SELECT last_insert_rowid(), total_changes()").rows == [(0, 0)]


def test_what_is_explained_changes_no_row(service):
    run(service, "CREATE TABLE t (a)")
    result = run(service, "EXPLAIN INSERT INTO t VALUES (1)").results[0]
    assert (result.rowcount, result.lastrowid) == (len(result.rows), None)
    assert result.rows


def test_a_write_that_changes_nothing_makes_no_transaction(service):
    run(service, "CREATE TABLE t (a)")
    assert run(service, "UPDATE t SET a = 1").txid == 1
    assert run(service, "CREATE TABLE IF NOT EXISTS t (a)").txid == 1


@pytest.mark.parametrize(
    "query",
    [
        "WITH x AS (SELECT 1) DELETE FROM t",
        "REPLACE INTO t VALUES (1)",
        "PRAGMA user_version = 3",
        "SELECT 1; DELETE FROM t",
        "VACUUM",
        "INSERT INTO t VALUES (5) RETURNING a",
        "CREATE TEMP TABLE x (a)",
    ],
)
def test_sqlite_says_what_writes(service, query):
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    assert refused(service, query, read_only=True).code == "read_only"
    assert refused(service, query, at=1).code == "read_only"


@pytest.mark.parametrize("query", ["EXPLAIN DELETE FROM t", "SELECT 'DELETE FROM t'", "PRAGMA user_version"])
def test_what_only_looks_like_a_write_is_none(service, query):
    run(service, "CREATE TABLE t (a)")
    assert run(service, query, read_only=True).txid == 1


def test_pragmas_before_the_transaction_take_effect(service):
    run(service, "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p)")
    run(service, "PRAGMA foreign_keys = OFF; INSERT INTO c VALUES (1)")
    assert refused(service, "INSERT INTO c VALUES (2)").code == "constraint"  # it is gone with the request


def test_deferred_constraints_fail_the_commit(service):
    run(service, "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    error = refused(service, "PRAGMA foreign_keys = ON; INSERT INTO c VALUES (1); SELECT * FROM c")
    assert error.code == "constraint"


def test_savepoints_work_inside_a_request(service):
    run(service, "CREATE TABLE t (a)")
    run(service, "INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s; RELEASE s")
    assert run(service, "SELECT a FROM t").rows == [(1,)]


def test_vacuum_is_a_transaction_of_its_own(service):
    run(service, "CREATE TABLE t (a); INSERT INTO t SELECT randomblob(4000) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
    run(service, "DELETE FROM t WHERE rowid > 1")
    assert run(service, "VACUUM", request_id="r").txid == 3
    assert run(service, "SELECT count(*) FROM t; PRAGMA integrity_check").rows == [("ok",)]
    assert run(service, "PRAGMA page_count").rows[0][0] < 6
    assert refused(service, "SELECT 1; VACUUM").code == "sql_error"
    assert refused(service, "VACUUM", dry_run=True).code == "bad_request"


# Databases


def test_the_default_database_may_be_read_before_it_exists(service, store):
    assert run(service, "SELECT 1").txid == 0
    assert keys(store) == []


def test_another_database_exists_after_its_first_write(service):
    with pytest.raises(SldbError) as caught:
        run(service, "SELECT 1", database="other")
    assert caught.value.code == "not_found"
    assert run(service, "CREATE TABLE t (a)", database="other").txid == 1
    assert run(service, "SELECT * FROM t", database="other").rows == []
    assert refused(service, "SELECT * FROM t").code == "sql_error"


def test_copies_that_were_not_used_make_room(container, store):
    service = container(store, cache_bytes=2_000_000)
    for name in ("a", "b", "c"):
        run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (randomblob(900000))", database=name)
    assert run(service, "SELECT length(a) FROM t", database="a").rows == [(900_000,)]
    assert run(service, "SELECT 1 FROM t", database="c").stats["cold"] is False
    assert run(service, "SELECT 1 FROM t", database="b").stats["cold"] is True


def test_room_is_made_before_it_is_taken(container, store, monkeypatch):
    """Two copies that together exceed the budget would not fit beside each other for a moment either."""
    for name in ("a", "b"):
        query = "CREATE TABLE t (a); INSERT INTO t VALUES (randomblob(1500000))"
        run(container(store), query, database=name)
    service, most = container(store, cache_bytes=2_000_000), []
    write = PageCache.write

    def watched(cache, pgno, page):
        write(cache, pgno, page)
        most.append(sum(database.size_bytes for database in service._databases.values()))

    monkeypatch.setattr(PageCache, "write", watched)
    for name in ("a", "b", "a"):
        assert run(service, "SELECT length(a) FROM t", database=name).rows == [(1_500_000,)]
    assert 1_500_000 < max(most) <= 2_000_000


def test_a_database_above_the_cache_works(container, store):
    run(container(store), "CREATE TABLE t (a, b); CREATE INDEX i ON t (b)")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
    run(container(store), f"{numbers} INSERT INTO t SELECT randomblob(1000), i * 7919 % 2000 FROM n")
    small = container(store, cache_bytes=400_000)
    assert run(small, "SELECT count(*), sum(length(a)), sum(b) FROM t").rows == [(2000, 2_000_000, 1_999_000)]
    assert run(small, "SELECT count(*) FROM t WHERE b = 77").rows == [(1,)]
    assert run(small, "UPDATE t SET b = b + 1").results[0].rowcount == 2000
    assert run(small, "PRAGMA integrity_check").rows == [("ok",)]
    assert run(small, "SELECT sum(b) FROM t").rows == [(2_001_000,)]
    assert small._databases["main"].size_bytes <= 400_000


# The past


def test_a_view_of_the_past(service):
    run(service, "CREATE TABLE t (a)")
    for number in range(5):
        run(service, "INSERT INTO t VALUES (?)", [number])
    for txid in (3, 1, 6, 3):
        reply = run(service, "SELECT count(*) FROM t", at=txid)
        assert (reply.txid, reply.rows) == (txid, [(txid - 1,)])
    assert run(service, "SELECT count(*) FROM t").rows == [(5,)]


@pytest.mark.parametrize("at", [0, 7, "2001-01-01T00:00:00Z"])
def test_outside_history(service, at):
    run(service, "CREATE TABLE t (a)")
    assert refused(service, "SELECT 1", at=at).code == "not_found"


def test_a_view_by_time(container, store):
    clock = Clock(1_800_000_000)
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    for number in range(4):
        clock.time += 60
        run(service, "INSERT INTO t VALUES (?)", [number])
    assert run(service, "SELECT count(*) FROM t", at="2027-01-15T08:02:30Z").rows == [(2,)]
    assert run(service, "SELECT count(*) FROM t", at="2027-01-15T09:03:00+01:00").rows == [(3,)]
    assert run(service, "SELECT count(*) FROM t", at="2027-01-15 08:04Z").rows == [(4,)]


@pytest.mark.parametrize(
    "at",
    ["", "yesterday", "now", "10m", "42", "2020-01-15", "2020-01-15T08:02:30", "2020-01-15 08:02",
     "2020-01-15T25:00:00Z", "2020-02-30T00:00:00Z", "2020-01-15T08:02:30+24:00", "20200115T080230Z"],
)  # fmt: skip
def test_a_time_on_the_wire_names_its_zone(service, at):
    run(service, "CREATE TABLE t (a)")
    error = refused(service, "SELECT 1", at=at)
    assert (error.code, error.details["field"]) == ("bad_request", "at")


def test_a_view_says_when_its_transaction_was_made_and_that_time_finds_it(container, store):
    clock = Clock(1_800_000_000)
    service = container(store, host=clock.host())
    for number in range(4):
        clock.time += 0.4
        run(service, f"CREATE TABLE t{number} (a)")
    times = [run(service, "SELECT 1", at=txid).time for txid in (1, 2, 3, 4)]
    assert times[0] == "2027-01-15T08:00:00.400Z"
    assert [run(service, "SELECT 1", at=time).txid for time in times] == [1, 2, 3, 4]
    # To the second: all of that second.
    assert [run(service, "SELECT 1", at=time[:19] + "Z").txid for time in times] == [2, 2, 4, 4]
    assert run(service, "SELECT 1").time is None


def test_transactions_of_one_millisecond_have_different_times(container, store):
    clock = Clock(float(int(time.time())))  # as the store's, which dates what it gets
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    run(service, "INSERT INTO t VALUES (1)")
    act(service, "restore", at=1)
    clock.time -= 20  # another writer's clock
    run(service, "INSERT INTO t VALUES (2)")
    act(service, "restore", at=1)
    clock.time += 30
    lines = act(service, "history")["transactions"]
    assert [line["time"][-4:] for line in lines] == [f"00{number}Z" for number in (4, 3, 2, 1, 0)]
    found = [run(service, "SELECT 1", at=line["time"]).txid for line in lines]
    assert found == [5, 4, 3, 2, 1]


def test_a_moment_in_the_future_is_no_moment(container, store):
    clock = Clock(1_800_000_000)
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    assert run(service, "SELECT 1", at="2027-01-15T08:00:59Z").txid == 1  # two clocks may be apart
    error = refused(service, "SELECT 1", at="2027-01-15T08:02:00Z")
    assert error.code == "bad_request"
    assert "2027-01-15T08:00:00.000Z" in error.message
    assert refused(service, "SELECT 1", at="2027-01-15T08:02:00Z", database="none").code == "bad_request"


def test_a_log_that_ends_in_the_future_has_such_moments(container, store):
    clock = Clock(1_900_000_000)
    run(container(store, host=clock.host()), "CREATE TABLE t (a)")
    clock.time = 1_800_000_000
    service = container(store, host=clock.host())
    reply = run(service, "SELECT count(*) FROM t", at="2031-01-01T00:00:00Z")
    assert (reply.txid, reply.time) == (1, "2030-03-17T17:46:40.000Z")


# Conditions


def test_if_txid(service):
    run(service, "CREATE TABLE t (a)", if_txid=0)
    assert refused(service, "DELETE FROM t", if_txid=0).code == "conflict"
    assert run(service, "INSERT INTO t VALUES (1)", if_txid=1).txid == 2


def test_if_txid_is_decided_on_the_newest_transaction_even_from_a_stale_copy(container, store):
    clock = Clock()
    one, two = container(store, host=clock.host()), container(store, host=clock.host())
    run(one, "CREATE TABLE t (a)")
    run(two, "SELECT 1")
    run(one, "INSERT INTO t VALUES (1)")
    assert run(two, "INSERT INTO t VALUES (2)", if_txid=2, max_staleness=60).txid == 3
    run(one, "INSERT INTO t VALUES (3)")
    with pytest.raises(SldbError) as caught:
        run(two, "INSERT INTO t VALUES (4)", if_txid=3, max_staleness=60)
    assert caught.value.code == "conflict"


def test_dry_run_shows_and_keeps_nothing(service):
    run(service, "CREATE TABLE t (a)")
    reply = run(service, "INSERT INTO t VALUES (1) RETURNING a; SELECT count(*) FROM t", dry_run=True, request_id="r")
    assert (reply.txid, reply.rows) == (1, [(1,)])
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


# Rehearsals on a past moment


REHEARSAL = "INSERT INTO t VALUES (9); UPDATE t SET a = a + 1 RETURNING a"


def test_a_dry_run_on_a_past_moment_writes_to_it_and_keeps_nothing(service, store):
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    run(service, "DELETE FROM t")
    before = keys(store)
    for _ in range(2):
        reply = run(service, REHEARSAL, at=1, dry_run=True)
        assert (reply.txid, reply.rows) == (1, [(2,), (10,)])
    assert run(service, "SELECT a FROM t", at=1).rows == [(1,)]
    assert run(service, "SELECT a FROM t").rows == []
    assert keys(store) == before


def test_a_dry_run_stands_on_what_it_names_whatever_was_committed_since(container, store):
    """The first run finds the moment to be the newest one, the others do not, in this container and in another."""
    one, two = container(store), container(store)
    run(one, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    for service in (one, two, one):
        reply = run(service, REHEARSAL, at=1, dry_run=True)
        assert (reply.txid, reply.rows) == (1, [(2,), (10,)])
        run(two, "INSERT INTO t VALUES (5)")


def test_a_dry_run_on_the_newest_moment_asks_the_store_for_nothing_when_warm(service):
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    assert run(service, REHEARSAL, at=1, dry_run=True).stats["store_requests"] == 0


def test_a_dry_run_finds_the_moment_again_whose_files_retention_took(container, tmp_path):
    store = FaultyStore(memory_store())
    service = container(store, cache_bytes=MIB)
    run(service, "CREATE TABLE t (n INTEGER PRIMARY KEY, body)")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    run(service, f"{numbers} INSERT INTO t SELECT i, randomblob(1000) FROM n")
    reader = container(store, cache_bytes=MIB)
    run(reader, "SELECT body FROM t WHERE n = 7")
    compact(store, snapshot(2), tmp_path)
    for info in list(store.list_objects("main/0000/")):
        store.delete(info.key)
    query = "UPDATE t SET body = body || 'x'; SELECT count(body) FROM t"
    assert run(reader, query, at=2, dry_run=True).rows == [(3000,)]


def test_a_dry_run_before_the_first_transaction(service, store):
    for database in ("main", "other"):
        reply = run(service, "CREATE TABLE t (a); SELECT * FROM t", at=0, dry_run=True, database=database)
        assert (reply.txid, reply.rows, len(reply.results)) == (0, [], 2)
    assert refused(service, "SELECT 1", at=0).code == "not_found"
    assert keys(store) == keys(store, "other") == []


def test_a_dry_run_after_a_drop_begins_anew(service):
    run(service, "CREATE TABLE t (a)")
    service.act(Action("drop_database"))
    reply = run(service, "CREATE TABLE t (b); INSERT INTO t VALUES (1) RETURNING b", at=2, dry_run=True)
    assert (reply.txid, reply.rows) == (2, [(1,)])


def test_a_read_only_dry_run_of_the_past_refuses_to_write(service):
    run(service, "CREATE TABLE t (a)")
    assert refused(service, REHEARSAL, at=1, dry_run=True, read_only=True).code == "read_only"
    assert refused(service, "VACUUM", at=1, dry_run=True).code == "bad_request"


def test_what_fails_on_an_old_state_is_tried_on_the_newest(container, store):
    """It may be a write that was applied, and is sent again to a container that has not seen that."""
    old, writer = container(store), container(store)
    assert run(old, "SELECT 1").txid == 0
    run(writer, "CREATE TABLE t (a UNIQUE)")
    first = run(writer, "INSERT INTO t VALUES (1)", request_id="once")
    again = run(old, "INSERT INTO t VALUES (1)", request_id="once", max_staleness=1000)
    assert again.txid == first.txid
    assert run(old, "SELECT count(*) FROM t", max_staleness=1000).rows == [(1,)]
    with pytest.raises(SldbError, match="no such table: u"):
        run(old, "SELECT * FROM u", max_staleness=1000)
    with pytest.raises(SldbError, match="UNIQUE"):
        run(old, "INSERT INTO t VALUES (1)", max_staleness=1000)


def test_max_staleness(container, store):
    clock = Clock()
    reader, writer = container(store, host=clock.host()), container(store, host=clock.host())
    run(writer, "CREATE TABLE t (a)")
    run(reader, "SELECT 1")
    run(writer, "INSERT INTO t VALUES (1)")
    clock.time += 5
    stale = run(reader, "SELECT count(*) FROM t", max_staleness=10)
    assert (stale.rows, stale.stats["store_requests"]) == ([(0,)], 0)
    fresh = run(reader, "SELECT count(*) FROM t", max_staleness=4)
    assert (fresh.rows, fresh.stats["store_requests"]) == ([(1,)], 2)
    assert run(reader, "SELECT count(*) FROM t").stats["store_requests"] == 1


# Exactly once


def test_a_request_id_applies_once_and_gives_the_first_result(service):
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    first = run(service, "INSERT INTO t (b) VALUES (?) RETURNING a, b", [{"$blob": "AP8="}], request_id="r")
    again = run(service, "INSERT INTO t (b) VALUES (?) RETURNING a, b", [{"$blob": "AP8="}], request_id="r")
    assert (again.results, again.txid) == (first.results, first.txid)
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]
    assert run(service, "INSERT INTO t (b) VALUES (1)", request_id="other").txid == first.txid + 1


def test_another_container_knows_the_request(container, store):
    run(container(store), "CREATE TABLE t (a); INSERT INTO t VALUES (1)", request_id="r")
    assert run(container(store), "CREATE TABLE t (a); INSERT INTO t VALUES (1)", request_id="r").txid == 1


def test_a_request_id_is_forgotten_after_an_hour(container, store):
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)", request_id="create")
    run(service, "INSERT INTO t VALUES (1)", request_id="r")
    for seconds in (3599, 2):  # an hour by the clock, and not by the log
        clock.time += seconds
        run(service, "INSERT INTO t VALUES (1)", request_id="r")
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]
    run(service, "INSERT INTO t VALUES (2)", request_id="later")
    clock.time += 2
    run(service, "INSERT INTO t VALUES (3)", request_id="r")
    assert run(service, "SELECT count(*) FROM t").rows == [(3,)]
    assert run(service, "SELECT id FROM _sldb_requests").rows == [("later",), ("r",)]  # the older ones went with it


WRONG_SECONDS = [-86_400, -3601, -61, 61, 1800, 3601, 86_400, 40 * 365 * 86_400]


@pytest.mark.parametrize("wrong", WRONG_SECONDS)
def test_a_clock_that_is_wrong_for_one_write_makes_nothing_run_twice(container, wrong):
    right, other = Clock(), Clock()
    store = Timed(memory_store(), right)
    service, stranger = container(store, host=right.host()), container(store, host=other.host())

    def applied_once(*ids):
        before = run(service, "SELECT count(*) FROM t").rows
        for each in (service, stranger):
            for request_id in ids:
                run(each, "INSERT INTO t VALUES (1)", request_id=request_id)
                assert act(each, "result", request_id=request_id)["state"] == "applied"
        assert run(service, "SELECT count(*) FROM t").rows == before

    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", request_id="first")
    other.time = right.time + wrong
    applied_once("first")
    run(stranger, "INSERT INTO t VALUES (1)", request_id="theirs")
    other.time = right.time
    applied_once("first", "theirs")
    for number in range(5):
        right.time = other.time = right.time + 600
        run(service, "INSERT INTO t VALUES (1)", request_id=f"later {number}")
        applied_once("first", "theirs", f"later {number}")


@pytest.mark.parametrize("wrong", WRONG_SECONDS)
def test_what_a_wrong_clock_has_recorded_is_forgotten_too(container, wrong):
    right, other = Clock(), Clock()
    store = Timed(memory_store(), right)
    service, stranger = container(store, host=right.host()), container(store, host=other.host())
    run(service, "CREATE TABLE t (a)", request_id="first")
    other.time = right.time + wrong
    run(stranger, "INSERT INTO t VALUES (1)", request_id="theirs")
    for number in range(3):
        right.time = max(right.time, other.time) + 3601
        run(service, "INSERT INTO t VALUES (1)", request_id=f"later {number}")
    assert run(service, "SELECT count(*) FROM _sldb_requests WHERE id IN ('first', 'theirs')").rows == [(0,)]
    assert act(service, "result", request_id="theirs")["state"] == "not_applied"


def test_after_a_clock_that_was_far_ahead_the_log_of_requests_does_not_grow_for_ever(container):
    right, far = Clock(), Clock(start=9e9)
    store = Timed(memory_store(), right)
    service = container(store, host=right.host())
    run(service, "CREATE TABLE t (a)")
    run(container(store, host=far.host()), "INSERT INTO t VALUES (1)", request_id="theirs")
    for number in range(100):
        right.time += 1800
        run(service, "INSERT INTO t VALUES (1)", request_id=f"later {number}")
    assert run(service, "SELECT count(*) FROM _sldb_requests").rows[0][0] < 60


def test_a_failed_request_leaves_no_trace_of_its_id(service):
    run(service, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")
    refused(service, "INSERT INTO t VALUES (1)", request_id="r")
    run(service, "DELETE FROM t")
    assert run(service, "INSERT INTO t VALUES (1)", request_id="r").results[0].rowcount == 1


def test_duplicates_at_the_same_time_apply_once(container, store):
    run(container(store), "CREATE TABLE t (a)")
    services = [container(store) for _ in range(8)]
    replies = []

    def insert(service):
        replies.append(run(service, "INSERT INTO t VALUES (1) RETURNING rowid", request_id="same"))

    threads = [threading.Thread(target=insert, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(reply.txid, reply.rows[0]) for reply in replies} == {(2, (1,))}
    assert len(replies) == 8
    assert run(container(store), "SELECT count(*) FROM t").rows == [(1,)]


# Writers at once


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

    def __init__(self, during):
        self.during = during

    def acquire(self, database, deadline, doing):
        self.doing = doing
        return Holder("id", database, "me", 0.0, doing)

    def release(self, lock_id, database):
        self.during()
        raise SldbError("store_error", "EC2 is away")


def test_a_lost_lock_does_not_make_a_committed_write_fail(container, store, capsys):
    lock = BrokenLock(during=lambda: None)
    service = container(store, lock, log_level="warning")
    assert run(service, "CREATE TABLE t (a)").txid == 1
    assert lock.doing == "CREATE TABLE t"
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


# Figures that are promised


def test_requests_to_the_store(container, store):
    meter = MeteredStore(store)
    service = container(meter)
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    read = run(service, "SELECT * FROM t").stats
    assert (read["store_requests"], read["bytes_out"], read["cold"]) == (1, 0, False)
    write = run(service, "INSERT INTO t (b) VALUES (1)").stats
    assert write["store_requests"] == 2  # one GET that finds nothing, one PUT
    assert 0 < write["bytes_out"] < 10_000
    assert {"cold", "lock_wait_ms", "execute_ms", "commit_ms", "store_requests", "bytes_in", "bytes_out"} <= set(write)
