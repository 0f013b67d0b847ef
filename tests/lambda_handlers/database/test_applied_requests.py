"""Requests with an id are applied once, whatever the clocks say."""

from __future__ import annotations

import threading

import pytest

from tests.fakes.clock import Clock
from tests.fakes.databases.outcomes import refused
from tests.fakes.databases.past import act
from tests.fakes.databases.service import run
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed


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
