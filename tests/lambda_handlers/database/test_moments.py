"""The moments of the past that a request may read."""

from __future__ import annotations

import time

import pytest

from tests.fakes.clock import Clock
from tests.fakes.databases.outcomes import refused
from tests.fakes.databases.past import act
from tests.fakes.databases.service import run


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
