"""Requests against a database, as a container runs them: the real engine over a store in memory."""

from __future__ import annotations

import json
import math

import pytest

from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Request, SldbError
from tests.fakes.databases.outcomes import keys, refused
from tests.fakes.databases.service import run

# Transactions


def test_statements_of_one_request_are_one_transaction(service, store):
    reply = run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); SELECT sum(a) FROM t")
    assert reply.txid == 1
    assert reply.rows == [(3,)]
    assert [result.rowcount for result in reply.results] == [0, 2, 1]
    assert keys(store) == ["main/0000/0000000000000001-0000000000000001.ltx", "main/head.json"]


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


# Figures that are promised


def test_requests_to_the_store(container, store):
    meter = MeteredStore(store)
    service = container(meter)
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    read = run(service, "SELECT * FROM t").stats
    assert (read["store_requests"], read["bytes_out"], read["cold"]) == (1, 0, False)
    write = run(service, "INSERT INTO t (b) VALUES (1)").stats
    assert write["store_requests"] == 1  # one PUT
    assert 0 < write["bytes_out"] < 10_000
    assert {"cold", "lock_wait_ms", "execute_ms", "commit_ms", "store_requests", "bytes_in", "bytes_out"} <= set(write)
