"""min_txid: a container that is behind catches up, whatever staleness the request accepts, or says that it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.service import Service
from lambda_handlers.wire import Reply, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

STALE = 10_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(Timed(memory_store(), clock))


@pytest.fixture
def writer(store: FaultyStore, clock: Clock) -> Service:
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    return service


@pytest.fixture
def reader(store: FaultyStore, clock: Clock, writer: Service) -> Service:
    """Another container, at the first transaction."""
    service = container(store, host=clock.host())
    assert count(service).txid == 1
    return service


def count(service: Service, **fields: Any) -> Reply:
    return run(service, "SELECT count(*) FROM t", **fields)


def refusal(service: Service, query: str = "SELECT 1", **fields: Any) -> SldbError:
    with pytest.raises(SldbError) as caught:
        run(service, query, **fields)
    return caught.value


def test_it_outweighs_the_staleness(writer: Service, reader: Service) -> None:
    known = run(writer, "INSERT INTO t VALUES (1)").txid
    assert count(reader, max_staleness=STALE).rows == [(0,)]
    assert count(reader, max_staleness=STALE, min_txid=known).rows == [(1,)]
    assert count(reader, max_staleness=STALE).rows == [(1,)]


def test_a_copy_that_is_new_enough_asks_for_nothing(writer: Service, reader: Service, store: FaultyStore) -> None:
    store.calls.clear()
    assert count(reader, max_staleness=STALE, min_txid=1).txid == 1
    assert store.calls == []


def test_one_that_no_log_has_is_an_error_at_once(writer: Service, reader: Service, clock: Clock) -> None:
    sleeps = len(clock.sleeps)
    for fields in (
        {},
        {"max_staleness": STALE},
        {"at": 1},
        {"transaction": {"begin": True}},
        {"dry_run": True},
        {"query": "INSERT INTO t VALUES (1)"},
    ):
        error = refusal(reader, **{"query": "SELECT 1", "min_txid": 2, **fields})
        assert (error.code, error.details) == ("not_found", {"field": "min_txid", "txid": 1, "applied": "no"})
    assert len(clock.sleeps) == sleeps
    assert count(writer).rows == [(0,)]


def test_a_database_that_does_not_exist(reader: Service) -> None:
    error = refusal(reader, database="nothing", min_txid=1)
    assert (error.code, error.details["database"]) == ("not_found", "nothing")


def test_a_write_that_is_known_to_come_after_another(writer: Service, reader: Service) -> None:
    known = run(writer, "INSERT INTO t VALUES (1)").txid
    assert run(reader, "INSERT INTO t SELECT count(*) FROM t", min_txid=known, max_staleness=STALE).txid == known + 1


def test_a_transaction_begins_from_it(writer: Service, reader: Service) -> None:
    known = run(writer, "INSERT INTO t VALUES (1)").txid
    stale: dict[str, Any] = {"max_staleness": STALE, "transaction": {"begin": True}}
    assert count(reader, **stale).txid == known - 1
    begun = count(reader, **stale, min_txid=known)
    assert (begun.rows, begun.txid) == ([(1,)], known)
    assert begun.transaction is not None
    later = run(writer, "INSERT INTO t VALUES (2)").txid
    assert count(reader, transaction=begun.transaction, min_txid=later).rows == [(1,)]  # it stays where it began


def test_a_request_that_was_applied_before_has_its_reply(writer: Service, reader: Service) -> None:
    first = run(writer, "INSERT INTO t VALUES (1)", request_id="r")
    known = run(writer, "INSERT INTO t VALUES (2)").txid
    assert run(reader, "INSERT INTO t VALUES (1)", request_id="r", min_txid=known).txid == first.txid


STEPS = st.tuples(
    st.sampled_from(("write", "read", "begin", "at", "other write")),
    st.integers(0, 2),  # the container
    st.integers(-3, 2),  # of min_txid, from the newest transaction on
    st.sampled_from((0, 1, STALE)),  # seconds of staleness that the request accepts
    st.sampled_from((0.0, 0.5, 2.0, 4000.0)),  # seconds until the next step
)


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(STEPS, max_size=12))
def test_no_answer_is_older(steps: list[tuple[str, int, int, int, float]]) -> None:
    clock = Clock()
    store = Timed(memory_store(), clock)
    containers = [container(store, host=clock.host()) for _ in range(3)]
    newest = run(containers[0], "CREATE TABLE t (a)").txid
    for does, number, from_newest, staleness, seconds in steps:
        least, service = max(0, newest + from_newest), containers[number]
        fields: dict[str, Any] = {"min_txid": least, "max_staleness": staleness}
        query = "INSERT INTO t VALUES (1)" if "write" in does else "SELECT count(*) FROM t"
        if does == "begin":
            fields["transaction"] = {"begin": True}
        if does == "at":
            fields["at"] = 1
        if least > newest:
            assert refusal(service, query, **fields).code == "not_found"
        else:
            reply = run(service, query, **fields)
            newest += "write" in does
            assert reply.txid >= least or does == "at"
            if "write" in does:
                assert reply.txid == newest
            elif does != "at":
                assert reply.rows == [(reply.txid - 1,)]
        clock.time += seconds
    for service in containers:
        service.close()
