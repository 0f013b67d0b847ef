"""Rows that do not fit into a reply: where they go, that they come back as they were, and what it takes."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from bisect import bisect_left
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.database import replies
from lambda_handlers.database.replies import Replies
from lambda_handlers.sql.own import request_log
from lambda_handlers.storage.log.keys import replies_prefix
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, Result, SldbError, StoredRows
from sldb.targets import stored_rows
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore, PresigningStore, blame_own, clash, lose_answer, lose_request, refuse
from tests.fakes.stores.memory import memory_store

LIMIT = 100_000
SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i, hex(zeroblob(20)) FROM n"
MANY, FEW = SERIES % 5000, SERIES % 3


@pytest.fixture
def store():
    return PresigningStore(memory_store())


@pytest.fixture
def service(store):
    service = container(store, reply_limit_bytes=LIMIT)
    yield service
    service.close()


def complete(store: PresigningStore, reply: Reply) -> Reply:
    """As a client has it."""
    return stored_rows.fetch(reply, store.download, "again", sleep=lambda _: None)


def kept_objects(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list_objects(replies_prefix())]


values = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200),
    st.binary(max_size=200),
)


@pytest.mark.long
@given(
    st.lists(st.tuples(st.lists(values, min_size=1, max_size=4), st.integers(0, 2000)), min_size=1, max_size=4),
    st.booleans(),
)
def test_every_value_comes_back_wherever_its_row_was(wanted, as_http):
    """Statements of any sizes: what is in the reply fits into it, and what is not is in the store."""
    store = PresigningStore(memory_store())
    service = container(store, reply_limit_bytes=LIMIT)
    statements = []
    for row, times in wanted:
        listed = ", ".join(f"?{number}" for number in range(2, len(row) + 2))
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        body = Result(rows=[(times, *row)]).encode()["rows"][0]
        statements.append({"query": rows + f"SELECT {listed} FROM n LIMIT ?1", "params": body})
    try:
        event = {"statements": statements}
        if as_http:
            event = {"httpMethod": "POST", "requestContext": {}, "body": json.dumps(event)}
        reply = service.handle(event)
        assert reply["statusCode"] == 200, reply
        assert len(json.dumps(reply)) < LIMIT + 1000  # the statistics
        body = json.loads(reply["body"]) if as_http else reply["body"]
        got = complete(store, Reply.decode(json.loads(json.dumps(body))))
    finally:
        service.close()
    assert [list(map(repr, result.rows)) for result in got.results] == [
        [repr(tuple(None if repr(value) == "nan" else value for value in row))] * times for row, times in wanted
    ]
    assert len(kept_objects(store)) == sum("rows_url" in shown for shown in (body, *body["results"]))


def test_the_form_of_such_a_reply(service, store):
    reply = service.handle({"query": f"{MANY}; {MANY}; PRAGMA foreign_keys = ON"})["body"]
    first, many, none = reply["results"]
    assert none["rows"] == []
    assert many == {"rows_at_top": True, "rowcount": 5000, "lastrowid": None}
    keys = kept_objects(store)
    assert all(key.startswith("_replies/") for key in keys)
    for shown in (reply, first):
        assert "rows" not in shown
        assert [column["name"] for column in shown["columns"]] == ["i", "hex(zeroblob(20))"]
        assert shown["rows_count"] == 5000
        (key,) = [key for key in keys if f"/{key}?expires=900" in shown["rows_url"]]
        keys.remove(key)
    assert complete(store, Reply.decode(reply)).rows == run(container(memory_store()), MANY).rows


def test_rows_take_their_room_in_a_reply_once(service, store):
    """Three quarters of a reply are for rows; they took half of that when they travelled twice."""
    row = "a" * 200

    def reply_of(count):
        statement = SERIES.replace("hex(zeroblob(20))", f"'{row}'") % count
        return service.handle({"query": statement})["body"]

    most = bisect_left(range(LIMIT // len(row)), True, key=lambda count: "rows_url" in reply_of(count)) - 1
    for count in (most, most + 1):
        assert complete(store, Reply.decode(reply_of(count))).rows == [(i + 1, row) for i in range(count)]
    assert 0.65 * LIMIT < len(json.dumps(reply_of(most))) < LIMIT
    assert "rows_url" in reply_of(most + 1)


@pytest.mark.parametrize("rows", [2500, 5000])
def test_rows_in_the_store_take_one_request_for_each_statement(service, store, rows):
    """Of any number of rows: and that of the client, who reads the object."""
    run(service, "CREATE TABLE t (x)")
    query = SERIES % rows
    for statements in (1, 3):
        store.calls.clear()
        reply = run(service, ";".join([query] * statements))
        assert [verb for verb, _ in store.calls] == ["get_range", *["create_from"] * statements]
        assert reply.stats["store_requests"] == 1 + statements
        store.calls.clear()
        complete(store, reply)
        assert [verb for verb, _ in store.calls] == ["get"] * statements


def test_small_results_after_a_large_one_stay_in_the_reply(service, store):
    results = run(service, f"{MANY}; {FEW}; {FEW}").results
    assert [result.stored is None for result in results] == [False, True, True]


def test_the_past_and_a_dry_run(service, store):
    run(service, f"CREATE TABLE t AS {MANY}")
    run(service, "DELETE FROM t")
    assert len(complete(store, run(service, "SELECT * FROM t", at=1)).rows) == 5000
    reply = run(service, f"INSERT INTO t {MANY} RETURNING *", dry_run=True)
    assert len(complete(store, reply).rows) == 5000
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


def test_a_write_that_is_sent_again_gives_its_first_rows_again(service, store):
    """By a new URL: the first may have ended. The database holds the key of the object, not its rows."""
    run(service, "CREATE TABLE t (a, b)")
    query = f"INSERT INTO t {MANY} RETURNING a, random()"
    first = run(service, query, request_id="r")
    assert first.results[0].rowcount == 5000
    rows = complete(store, first).rows
    before = len(kept_objects(store))
    again = run(container(store, reply_limit_bytes=LIMIT), query, request_id="r")
    assert complete(store, again).rows == rows
    assert again.txid == first.txid
    assert len(kept_objects(store)) == before
    assert run(service, "SELECT count(*), (SELECT max(length(reply)) < 1000 FROM _sldb_requests) FROM t").rows == [
        (5000, 1)
    ]


def test_a_read_that_is_sent_again_runs_again(service, store):
    first = run(service, "SELECT random()", request_id="r").rows
    assert run(service, "SELECT random()", request_id="r").rows != first


RANDOM = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT randomblob(100) FROM n"


def test_what_a_request_gave_does_not_fill_the_database(tmp_path):
    """Rows that fit into the reply, or where it has no limit, but not into the log of requests."""
    store = DirectoryStore(tmp_path)
    service = container(store)
    run(service, "CREATE TABLE t (a)")
    first = run(service, f"INSERT INTO t {RANDOM} RETURNING *", request_id="r")
    assert len(first.rows) == 5000
    assert run(service, f"INSERT INTO t {RANDOM} RETURNING *", request_id="r").rows == first.rows
    assert run(service, "SELECT length(reply) < 100 FROM _sldb_requests").rows == [(1,)]
    assert len(kept_objects(store)) == 1
    assert act(service, "databases")["databases"][0]["name"] == "main"
    assert len(act(service, "databases")["databases"]) == 1
    service.close()


@pytest.mark.parametrize("readings", [1, 2])
def test_a_kept_reply_that_is_damaged_is_no_reason_to_apply_the_request_again(readings):
    """Not found and damaged are not the same. What was damaged on its way only is right the next time."""
    store = FaultyStore(memory_store())
    service = container(store)
    run(service, "CREATE TABLE t (a)")
    query = f"INSERT INTO t {RANDOM} RETURNING *"
    first = run(service, query, request_id="r")
    for bit in (0, 77, 8 * 5000 + 3):
        (key,) = kept_objects(store)

        def damage(asked, act_, bit=bit, key=key):
            body = bytearray(act_())
            if asked == key:
                body[bit // 8] ^= 1 << bit % 8
            return bytes(body)

        store.plan("get", *[damage] * readings)
        if readings == 1:
            assert run(service, query, request_id="r").rows == first.rows
        else:
            with pytest.raises(SldbError) as caught:
                run(service, query, request_id="r")
            assert caught.value.code == "corrupt"
            assert caught.value.details == {"key": key, "applied": "yes"}
        store.forget_plans()
        assert run(service, "SELECT count(*) FROM t").rows == [(5000,)]
    service.close()


def test_in_a_directory_old_replies_go_with_the_next(tmp_path):
    store = DirectoryStore(tmp_path)
    kept = replies.Replies(replies.MeteredStore(store), Clock().host())
    old, young = kept.keep(b"old"), kept.keep(b"young")
    yesterday = time.time() - replies.KEPT_SECONDS - 60
    os.utime(tmp_path / old, (yesterday, yesterday))
    new = kept.keep(b"new")
    assert sorted(kept_objects(store)) == sorted([young, new])
    assert kept.kept(young) == b"young"
    with pytest.raises(SldbError) as caught:
        kept.kept(old)
    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "yes")


def test_what_was_recorded_by_an_older_version_is_read():
    reply = Reply((Result(rowcount=3),), 7, "main")
    entry = request_log.encode(reply, lambda body: pytest.fail("it is small"))
    assert entry[:1] == b"\x78"
    assert request_log.decode(entry, lambda key: b"") == reply


def test_a_lost_answer_to_the_rows(service, store):
    """The store's client sends again, and meets what it made itself."""
    store.plan("create_from", blame_own)
    assert len(complete(store, run(service, MANY)).rows) == 5000


@pytest.mark.parametrize("step", [refuse, lose_request, clash])
def test_a_store_that_does_not_take_the_rows(service, store, step):
    run(service, "CREATE TABLE t (a, b)")
    store.plan("create_from", step)
    with pytest.raises(SldbError) as caught:
        run(service, f"INSERT INTO t {MANY} RETURNING *")
    assert caught.value.code == "store_error"
    assert caught.value.details["applied"] == "no"
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


def test_a_bound_remains(service, store, monkeypatch):
    monkeypatch.setattr(replies, "MAX_BYTES", 10_000)
    with pytest.raises(SldbError) as caught:
        run(service, MANY)
    assert caught.value.code == "too_large"
    assert "LIMIT" in caught.value.hint
    assert kept_objects(store) == []
    assert run(service, FEW).txid == 0


def test_many_statements_and_wide_results_have_no_room(service):
    wide = ", ".join(f"1 AS {'column' * 20}{n}" for n in range(900))
    for query in ("SELECT 1; " * 900, "PRAGMA foreign_keys = ON;" * 900, f"SELECT {wide}"):
        with pytest.raises(SldbError) as caught:
            run(service, query)
        assert caught.value.code == "too_large"
        assert "statements" in caught.value.hint


def test_the_time_of_a_request_ends_while_its_rows_leave():
    """Nothing runs in SQLite that would notice: the rows are there, and sending them takes time."""
    clock, store = Clock(), PresigningStore(memory_store())
    service = container(store, host=clock.host(), reply_limit_bytes=LIMIT)

    def slowly(key, act):
        clock.time += 100
        return act()

    store.plan("create_from", slowly)
    with pytest.raises(SldbError) as caught:
        run(service, MANY, timeout=10)
    assert caught.value.code == "query_timeout"


class Drain(PresigningStore):
    """Takes everything, keeps nothing."""

    taken = 0

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self.taken += len(chunk)


@pytest.mark.long
def test_rows_leave_while_they_come():
    store = Drain(memory_store())
    service = container(store, reply_limit_bytes=1_000_000)
    query = SERIES.replace("hex(zeroblob(20))", "randomblob(10000)") % 5000
    tracemalloc.start()
    try:
        reply = run(service, query)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        service.close()
    assert reply.results[0].stored.count == 5000
    assert store.taken > 50_000_000
    assert peak < 12_000_000


@pytest.mark.parametrize("key", ["_locks/main/lock.json", "_replies/0123456789abcdef", "_replies/../x.jsonl.gz", ""])
def test_no_other_object_is_signed(store, key):
    reply = Reply((Result(stored=StoredRows(key, 1)),), 1, "main")
    with pytest.raises(SldbError):
        Replies(store, Clock().host()).outgoing(reply)


@pytest.mark.parametrize("fault", [clash, blame_own, lose_request, lose_answer])
def test_what_is_kept_is_created_and_never_written_over(fault):
    store = FaultyStore(PresigningStore(memory_store()))
    kept = Replies(replies.MeteredStore(store), Clock().host())
    store.plan("create", fault, fault)
    key = kept.keep(b"body")
    assert kept.kept(key) == b"body"
    assert "put" not in dict(store.calls)
    store.plan("create", *[fault] * replies.MAX_ATTEMPTS)
    with pytest.raises(SldbError) as caught:
        kept.keep(b"another")
    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
