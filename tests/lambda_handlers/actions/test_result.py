"""What became of a request: over a store, from any container, and by clocks of our own."""

from __future__ import annotations

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.service import Service
from lambda_handlers.wire import Reply, Request, SldbError, made_at, new_request_id
from sldb.targets import stored_rows
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store

SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)"
MANY = f"{SERIES} INSERT INTO t SELECT i FROM n RETURNING a"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return PresigningStore(memory_store())


def fresh(store, clock, **settings) -> Service:
    return container(store, host=clock.host(), **settings)


def state(service: Service, request_id: str) -> str:
    told = act(service, "result", request_id=request_id)
    assert set(told) == {"database", "request_id", "since", "state", "txid", "time", "reply"}
    if told["state"] != "applied":
        assert told["txid"] is told["time"] is told["reply"] is None
    return str(told["state"])


def test_one_that_was_applied_tells_its_first_reply(store, clock):
    run(fresh(store, clock), "CREATE TABLE t (a)")
    first = run(fresh(store, clock), "INSERT INTO t VALUES (1), (2) RETURNING random()", request_id="r")
    clock.time += 100
    told = act(fresh(store, clock), "result", request_id="r")
    assert (told["state"], told["txid"], told["time"]) == ("applied", 2, "2027-01-15T08:00:00.001Z")
    assert told["since"] == "2027-01-15T07:00:00.001Z"
    assert Reply.decode(told["reply"]).results == first.results


def test_rows_of_which_there_were_many(store, clock):
    run(fresh(store, clock), "CREATE TABLE t (a)")
    first = run(fresh(store, clock, reply_limit_bytes=50_000), MANY, request_id="r")
    told = act(fresh(store, clock, reply_limit_bytes=50_000), "result", request_id="r")
    reply = Reply.decode(told["reply"])
    assert reply.results[0].stored
    assert stored_rows.fetch(reply, store.download, "").rows == stored_rows.fetch(first, store.download, "").rows


def test_one_that_failed_read_or_was_tried_was_not_applied(store, clock):
    service = fresh(store, clock)
    assert state(service, "r") == "not_applied"
    run(service, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")
    run(service, "SELECT 1", request_id="r")
    run(service, "INSERT INTO t VALUES (2)", request_id="r", dry_run=True)
    with pytest.raises(SldbError):
        run(service, "INSERT INTO t VALUES (1)", request_id="r")
    assert state(service, "r") == "not_applied"
    run(service, "INSERT INTO t VALUES (2)", request_id="r")
    assert state(service, "r") == "applied"
    assert state(service, "s") == "not_applied"


def test_an_id_tells_when_it_was_made_so_that_an_old_one_is_unknown(store, clock):
    service = fresh(store, clock)
    run(service, "CREATE TABLE t (a)", request_id="other")
    now = new_request_id(clock.now(), os.urandom(10))
    assert state(service, now) == "not_applied"
    run(service, "INSERT INTO t VALUES (1)", request_id=now)
    assert state(service, now) == "applied"
    clock.time += 3599
    assert state(service, now) == "applied"
    clock.time += 2
    assert state(service, now) == "applied"  # nothing has come that would be in its place
    run(service, "INSERT INTO t VALUES (2)")
    assert state(service, now) == "unknown"
    assert state(service, "other") == "not_applied"


def test_a_database_that_was_dropped(store, clock):
    service = fresh(store, clock)
    run(service, "CREATE TABLE t (a)", request_id="r", database="orders")
    act(service, "drop_database", "orders")
    with pytest.raises(SldbError) as caught:  # forgotten with it
        act(service, "result", "orders", request_id="r")
    assert caught.value.code == "not_found"
    assert "dropped by transaction 2" in caught.value.message


@pytest.mark.parametrize("arguments", [{}, {"request_id": ""}, {"request_id": 5}, {"request_id": "r", "id": "r"}])
def test_arguments(store, clock, arguments):
    with pytest.raises(SldbError) as caught:
        act(fresh(store, clock), "result", **arguments)
    assert caught.value.code == "bad_request"


@given(st.floats(0, 2e11), st.binary(min_size=10, max_size=10))
def test_ids_that_tell_their_time(moment, chance):
    made = new_request_id(moment, chance)
    assert uuid.UUID(made).version == 7
    assert uuid.UUID(made).variant == uuid.RFC_4122
    assert made_at(made) == pytest.approx(moment, abs=0.0011)
    assert Request.decode({"query": "", "request_id": made}).request_id == made


@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_ids_differ_where_chance_does(one, two):
    differs = int.from_bytes(one, "big") & (1 << 74) - 1 != int.from_bytes(two, "big") & (1 << 74) - 1
    assert (new_request_id(5, one) != new_request_id(5, two)) == differs


def test_ids_of_others_do_not_tell():
    for other in ("r", str(uuid.uuid4()), uuid.uuid4().hex, "0" * 32):
        assert made_at(other) is None
