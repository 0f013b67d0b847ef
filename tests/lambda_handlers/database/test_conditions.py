"""The conditions of a request: if_txid, dry runs on any moment, and the age of the copy that it may read."""

from __future__ import annotations

import pytest

from lambda_handlers.settings import MIB
from lambda_handlers.storage.log.keys import snapshot
from lambda_handlers.wire import Action, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import compact
from tests.fakes.databases.outcomes import keys, refused
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store


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
