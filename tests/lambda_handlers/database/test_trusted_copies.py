"""Requests that begin with a write: on the copy as it is, without asking for newer transactions first.

Where nothing else is said, `mine` and `other` are two containers of one database, and the requests of `mine` are
counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.service import Service
from lambda_handlers.storage import publishing
from lambda_handlers.storage.commit import READINGS
from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.wire import Action, Request, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, answers, blame_own, lose_answer, lose_request, meanwhile
from tests.fakes.stores.memory import memory_store

TABLES = "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 0), (2, 0)"
ASKS, WRITES = ["get_range"], ["create"]


@dataclass
class Pair:
    store: FaultyStore  # of `mine` alone
    clock: Clock
    mine: Service
    other: Service

    def meanwhile(self, query: str, **fields: object) -> None:
        run(self.other, query, **fields)
        self.store.verbs()


@pytest.fixture
def pair(container, monkeypatch):
    monkeypatch.setattr(publishing, "HEAD_EVERY", 1000)  # heads have tests of their own
    store, clock = memory_store(), Clock()
    mine = FaultyStore(store)
    pair = Pair(mine, clock, container(mine, host=clock.host()), container(store, host=clock.host()))
    run(pair.mine, TABLES)
    run(pair.mine, "UPDATE t SET b = 1")  # the first commit of a container lists
    mine.verbs()
    return pair


def error_of(service: Service, query: str, **fields: object) -> SldbError:
    """Return the error of a request, without a look at the database before it."""
    with pytest.raises(SldbError) as caught:
        run(service, query, **fields)
    return caught.value


# What asks nothing first


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO t VALUES (3, 3)",
        "UPDATE t SET b = 3",
        "-- a comment\n/* another */ ; DELETE FROM t",
        "REPLACE INTO t VALUES (1, 3)",
        "CREATE TABLE u (a)",
        "ALTER TABLE t ADD COLUMN c",
        "DROP TABLE t",
        "BEGIN; SELECT * FROM t; INSERT INTO t VALUES (4, 4); COMMIT",
    ],
)
def test_what_begins_with_a_write_is_one_request_to_the_store(pair, query):
    assert run(pair.mine, query).txid == 3
    assert pair.store.verbs() == WRITES


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("SELECT 1; INSERT INTO t VALUES (3, 3)", {}),
        ("WITH x AS (SELECT 3) INSERT INTO t SELECT 3, 3 FROM x", {}),
        ("INSERT INTO t VALUES (3, 3)", {"if_txid": 2}),
        ("INSERT INTO t VALUES (3, 3)", {"careful": True}),
        ("INSERT INTO t VALUES (3, 3)", {"expect": [None]}),
    ],
)
def test_what_looks_at_the_state_first_asks_first(pair, query, fields):
    assert run(pair.mine, query, **fields).txid == 3
    assert pair.store.verbs() == ASKS + WRITES


def test_what_is_only_tried_asks_first(pair):
    pair.meanwhile("DELETE FROM t")
    assert run(pair.mine, "UPDATE t SET b = 2 RETURNING a", dry_run=True).rows == []


def test_a_request_that_attaches_a_database_asks_first(pair):
    query = "INSERT INTO t SELECT 3, count(*) FROM t; ATTACH 'main@1' AS old"
    assert run(pair.mine, query).txid == 3
    assert pair.store.verbs()[0] == "get_range"


def test_a_request_with_a_txid_asks_only_if_the_copy_does_not_have_that(pair):
    run(pair.mine, "UPDATE t SET b = 2", min_txid=2)
    assert pair.store.verbs() == WRITES
    pair.meanwhile("UPDATE t SET b = 3")
    run(pair.mine, "UPDATE t SET b = 4", min_txid=4)
    assert pair.store.verbs()[:3] == [*ASKS, *ASKS, *WRITES]  # then comes a head


def test_a_cold_container_asks_first(pair, container):
    cold = container(pair.store, host=pair.clock.host())
    assert run(cold, "UPDATE t SET b = 5").txid == 3
    verbs = pair.store.verbs()
    assert verbs.index("list_objects") < verbs.index("create") == len(verbs) - 1


def test_a_database_that_another_container_began_is_found(container):
    store = memory_store()
    mine, other = container(store), container(store)
    run(mine, "SELECT 1")
    run(other, TABLES)
    reply = run(mine, "CREATE TABLE u (a)")
    assert (reply.txid, reply.stats.get("conflicts", 0)) == (2, 0)


# Where there was something new


def test_a_lost_race_runs_again_on_what_the_winner_left(pair):
    pair.meanwhile("UPDATE t SET b = b + 10")
    reply = run(pair.mine, "UPDATE t SET b = b * 2 RETURNING b")
    assert (reply.txid, reply.rows, reply.stats["conflicts"]) == (4, [(22,), (22,)], 1)
    assert run(pair.other, "SELECT b FROM t").rows == [(22,), (22,)]


@pytest.mark.parametrize(
    ("others", "query", "rows"),
    [
        ("CREATE TABLE u (a)", "INSERT INTO u VALUES (1) RETURNING a", [(1,)]),
        ("DELETE FROM t WHERE a = 1", "INSERT INTO t VALUES (1, 9) RETURNING b", [(9,)]),
        ("INSERT INTO t VALUES (3, 3)", "UPDATE t SET b = 9 WHERE a = 3 RETURNING a", [(3,)]),
        ("INSERT INTO t VALUES (3, 3)", "BEGIN; SELECT count(*) FROM t; COMMIT", [(3,)]),
        ("DELETE FROM t", "INSERT OR IGNORE INTO t VALUES (1, 9) RETURNING b", [(9,)]),
    ],
    ids=["no such table", "constraint", "changes nothing", "only reads", "ignored"],
)
def test_what_makes_no_commit_is_confirmed_and_runs_again(pair, others, query, rows):
    pair.meanwhile(others)
    reply = run(pair.mine, query)
    assert [row for result in reply.results for row in result.rows] == rows


def test_an_error_that_a_newer_state_has_too_is_of_that(pair):
    pair.meanwhile("INSERT INTO t VALUES (3, 3)")
    error = error_of(pair.mine, "INSERT INTO t VALUES (1, 9)")
    assert error.code == "constraint"
    assert run(pair.mine, "SELECT count(*) FROM t", max_staleness=60).rows == [(3,)]  # it has been looked for


def test_an_error_that_only_a_newer_state_has_is_reported(pair):
    pair.meanwhile("DROP TABLE t")
    assert "no such table" in error_of(pair.mine, "INSERT INTO t VALUES (3, 9)").message


def test_a_database_that_was_dropped_meanwhile_is_not_found(pair):
    pair.other.act(Action("drop_database", "main"))
    error = error_of(pair.mine, "INSERT INTO t VALUES (3, 9)")
    assert (error.code, "dropped" in error.message) == ("not_found", True)


def test_a_database_that_was_dropped_may_begin_again(pair):
    pair.other.act(Action("drop_database", "main"))
    assert run(pair.mine, "CREATE TABLE u (a)").txid == 4
    assert run(pair.other, "SELECT name FROM sqlite_schema WHERE name NOT LIKE '%sldb%'").rows == [("u",)]


def test_a_request_that_another_container_has_applied_is_not_applied_again(pair):
    insert = {"query": "UPDATE t SET b = b + 1 RETURNING b", "request_id": "r"}
    first = pair.other.reply(Request.decode(insert))
    again = pair.mine.reply(Request.decode(insert))
    assert (again.txid, again.rows) == (first.txid, first.rows)
    assert run(pair.other, "SELECT b FROM t").rows == [(2,), (2,)]


def test_an_error_of_time_is_answered_at_once(pair):
    """A newer state would not undo it, and there is no time left."""
    endless = (
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 9 UNION ALL SELECT i + 1 FROM n) SELECT i, i FROM n WHERE i < 0"
    )
    assert error_of(pair.mine, endless, timeout=0.0).code == "query_timeout"
    assert pair.store.verbs() == []


@pytest.mark.parametrize("query", ["UPDATE t SET b = 2 WHERE a = 9", "BEGIN; SELECT 1; COMMIT"])
def test_what_changes_nothing_asks_once_and_is_answered(pair, query):
    assert run(pair.mine, query).txid == 2
    assert pair.store.verbs() == ASKS


def test_an_error_asks_once_and_is_answered(pair):
    assert error_of(pair.mine, "INSERT INTO t VALUES (1, 9)").code == "constraint"
    assert pair.store.verbs() == ASKS


def test_a_group_that_only_reads_may_be_as_stale_as_its_request_allows(pair):
    pair.meanwhile("INSERT INTO t VALUES (3, 3)")
    query = "BEGIN; SELECT count(*) FROM t; COMMIT"
    assert run(pair.mine, query, max_staleness=60).results[1].rows == [(2,)]
    assert pair.store.verbs() == []
    assert run(pair.mine, "UPDATE t SET b = 7 WHERE a = 3 RETURNING a", max_staleness=60).rows == [(3,)]


# Answers to the create


@pytest.mark.parametrize("step", [lose_answer, blame_own, lose_request])
def test_a_create_without_a_clear_answer_is_read_back(pair, step):
    pair.store.plan("create", step)
    assert run(pair.mine, "UPDATE t SET b = b + 1").txid == 3
    assert run(pair.other, "SELECT b FROM t").rows == [(2,), (2,)]


def test_a_create_of_unknown_outcome_asks_nothing_more(pair):
    pair.store.plan("create", lose_request, lose_request, lose_request)
    error = error_of(pair.mine, "UPDATE t SET b = b + 1")
    assert (error.code, error.details["applied"]) == ("store_error", "unknown")
    assert pair.store.verbs() == ["create", "get_range"] * 3


def test_a_create_whose_object_is_damaged_is_not_run_again(pair):
    pair.store.plan("create", lose_answer)
    pair.store.plan("get_range", *[answers(bytes(200))] * READINGS)
    error = error_of(pair.mine, "UPDATE t SET b = b + 1")
    assert (error.code, error.details["applied"]) == ("corrupt", "unknown")
    assert run(pair.other, "SELECT b FROM t").rows == [(2,), (2,)]


# Ages


def test_a_create_counts_as_a_look(pair):
    pair.clock.time += 100
    run(pair.mine, "UPDATE t SET b = 2")
    pair.store.verbs()
    pair.clock.time += 10
    assert run(pair.mine, "SELECT b FROM t WHERE a = 1", max_staleness=20).rows == [(2,)]
    assert pair.store.verbs() == []


def test_a_copy_that_was_not_looked_at_for_half_the_floor_asks_first(pair):
    pair.clock.time += RETENTION_FLOOR_SECONDS / 2 + 1
    reply = run(pair.mine, "UPDATE t SET b = 2")
    verbs = pair.store.verbs()
    assert (verbs[0], verbs[-1], verbs.count("create")) == ("list_objects", "create", 1)
    assert reply.stats.get("conflicts", 0) == 0


def test_creates_do_not_put_off_the_next_list(pair):
    """The lines are those of `known_at`: a LIST each half hour, whatever else is known."""
    for _ in range(12):  # two hours
        pair.clock.time += 600
        run(pair.mine, "UPDATE t SET b = b + 1")
    assert pair.store.verbs().count("list_objects") in (3, 4)


def test_a_clock_that_was_set_back_makes_it_ask(pair):
    pair.clock.time -= 500
    run(pair.mine, "UPDATE t SET b = 2")
    assert pair.store.verbs()[0] != "create"


def test_a_container_that_was_paused_before_its_create_commits_nothing_unseen(pair):
    """While it stood still, n + 1 came, and was compacted and removed: its key is free again."""

    def sleep_and_lose_the_key() -> None:
        pair.clock.time += 2 * RETENTION_FLOOR_SECONDS

    pair.store.plan("create", meanwhile(sleep_and_lose_the_key))
    error = error_of(pair.mine, "UPDATE t SET b = 2")
    assert (error.code, error.details["applied"]) == ("store_error", "unknown")


# Large transactions

LARGE = "INSERT INTO t SELECT value + 100, zeroblob(3000) FROM generate_series(1, 500)"


def test_a_large_transaction_asks_before_it_is_sent(pair):
    assert run(pair.mine, LARGE).txid == 3
    assert pair.store.verbs()[:2] == ["size", "create"]


def test_a_large_transaction_that_would_lose_is_not_sent(pair):
    pair.meanwhile("INSERT INTO t VALUES (3, 3)")
    assert run(pair.mine, LARGE).txid == 4
    assert pair.store.calls[0][0] == "size"
    assert [key for verb, key in pair.store.calls if verb == "create" and "/0000/" in key] == [
        transaction(4).key("main")
    ]
    assert len(pair.store.written[transaction(3).key("main")]) == 0


def test_a_pause_during_the_question_before_a_large_transaction_makes_it_look_again(pair):
    def pause() -> None:
        pair.clock.time += RETENTION_FLOOR_SECONDS

    pair.store.plan("size", meanwhile(pause))
    reply = run(pair.mine, LARGE, timeout=100_000)
    assert (reply.txid, reply.stats["conflicts"]) == (3, 1)


# Locks


def with_lock(pair: Pair) -> Service:
    lock = ObjectLock(pair.store, pair.clock.host(), max_age_seconds=900, retry_seconds=1.0)
    service = new_container(pair.store, lock, host=pair.clock.host())
    run(service, "UPDATE t SET b = 2")
    run(service, "UPDATE t SET b = 3")
    pair.store.verbs()
    return service


def test_a_lock_that_is_free_is_taken_and_nothing_is_asked(pair):
    service = with_lock(pair)
    run(service, "UPDATE t SET b = 4")
    assert pair.store.verbs() == ["replace", "create", "replace"]
    service.close()


def test_who_waited_for_the_lock_asks_before_it_runs(pair):
    service = with_lock(pair)
    another = ObjectLock(pair.store.store, pair.clock.host(), max_age_seconds=900, retry_seconds=1.0)
    holder = another.acquire("main", pair.clock.time + 60, "INSERT")

    def finish() -> None:
        run(pair.other, "UPDATE t SET b = 50")
        another.release(holder.lock_id, "main")

    pair.clock.at(pair.clock.time + 0.1, finish)
    reply = run(service, "UPDATE t SET b = b + 1 RETURNING b")
    assert (reply.rows, reply.stats.get("conflicts", 0)) == ([(51,), (51,)], 0)
    assert len(pair.store.written[transaction(reply.txid).key("main")]) == 1
    service.close()


def test_a_lost_race_under_the_lock_runs_again(pair):
    service = with_lock(pair)
    run(pair.other, "UPDATE t SET b = 70")
    assert run(service, "UPDATE t SET b = b + 1 RETURNING b").rows == [(71,), (71,)]
    assert pair.store.verbs().count("replace") == 2  # once for all tries
    service.close()


# Whatever happens


OPERATIONS = (
    "INSERT INTO t VALUES (1, 1)",
    "INSERT INTO t VALUES (2, 2)",
    "INSERT OR IGNORE INTO t VALUES (1, 5)",
    "UPDATE t SET b = b + 1 RETURNING a, b",
    "UPDATE t SET b = 9 WHERE a = 2",
    "DELETE FROM t WHERE a = 1 RETURNING b",
    "DELETE FROM t",
    "REPLACE INTO t VALUES (2, 7)",
    "CREATE TABLE u (a)",
    "DROP TABLE u",
    "INSERT INTO u SELECT count(*) FROM t",
    "BEGIN; SELECT a, b FROM t; COMMIT",
    "BEGIN; SELECT a, b FROM t; UPDATE t SET b = b * 2; COMMIT",
    "SELECT a, b FROM t",
    "SELECT count(*) FROM u",
)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(OPERATIONS), st.booleans()), min_size=2, max_size=14))
def test_containers_in_turns_answer_as_one_sqlite(requests):
    store, clock, model = memory_store(), Clock(), apsw.Connection(":memory:")
    services = [new_container(store, host=clock.host()) for _ in range(3)]
    try:
        run(services[0], TABLES)
        model.execute(TABLES)
        for number, (which, query, has_id) in enumerate(requests):
            clock.time += 300.0
            wanted: object
            try:
                wanted = sorted(row for piece in [query] for row in model.execute(piece))
            except apsw.Error:
                if model.in_transaction:
                    model.execute("ROLLBACK")
                wanted = None
            try:
                reply = run(services[which], query, request_id=f"r{number}" if has_id else None)
                got: object = sorted(row for result in reply.results for row in result.rows)
            except SldbError:
                got = None
            assert got == wanted, query
    finally:
        for service in services:
            service.close()
