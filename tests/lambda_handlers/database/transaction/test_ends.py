"""The last request of a transaction: sent twice, failed, with statements and large rows, and what may follow it."""

from __future__ import annotations

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.wire import Request, SldbError
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store

COUNT = "SELECT count(*) FROM t"


@pytest.fixture
def table(service):
    run(service, "CREATE TABLE t (id INTEGER PRIMARY KEY, n)")
    return service


def send(service, invocation_id=None, **event):
    return service.reply(Request.decode(event), invocation_id=invocation_id)


BEGINS_AND_ENDS = [
    {"query": "INSERT INTO t VALUES (1, 7) RETURNING n", "transaction": {"begin": True, "end": "commit"}},
    {"query": "INSERT INTO t VALUES (1, 7) RETURNING n; COMMIT", "transaction": {"begin": True}},
]


@pytest.mark.parametrize("event", BEGINS_AND_ENDS)
def test_a_request_that_begins_and_commits_applies_once_for_its_id(table, container, store, event):
    first = send(table, request_id="mine", **event)
    for service in (table, container(store)):
        again = send(service, request_id="mine", **event)
        assert (again.txid, again.rows, again.transaction) == (first.txid, [(7,)], {"ended": "commit"})
    assert run(table, COUNT).rows == [(1,)]


def test_an_invocation_that_lambda_repeats_commits_once(table):
    event = {"query": "INSERT INTO t (n) VALUES (7)", "transaction": {"begin": True, "end": "commit"}}
    first = send(table, "invocation", **event)
    assert send(table, "invocation", **event).txid == first.txid
    assert run(table, COUNT).rows == [(1,)]


def test_a_commit_that_must_not_create_its_database_leaves_no_lock(store):
    lock = ObjectLock(store, Host(), max_age_seconds=90, retry_seconds=1)
    service = new_container(store, lock)
    client = Interactive(service, database="typo")
    with pytest.raises(SldbError) as caught:
        client.commit(query="CREATE TABLE t (a)", create=False)
    assert (caught.value.code, caught.value.details["creatable"]) == ("not_found", True)
    assert list(store.list_objects("typo/")) == []


def test_a_commit_with_a_statement_that_fails_leaves_the_token_that_was_sent(table):
    run(table, "INSERT INTO t VALUES (1, 1)")
    client = Interactive(table, query="INSERT INTO t VALUES (2, 2)")
    with pytest.raises(SldbError) as caught:
        client.commit(query="INSERT INTO t VALUES (3, 3); INSERT INTO t VALUES (1, 1)")
    assert (caught.value.code, caught.value.transaction) == ("constraint", None)
    assert client.rows(COUNT) == [(2,)]  # none of the statements of that request
    client.commit()
    assert run(table, COUNT).rows == [(2,)]


def test_a_transaction_is_no_autocommit_from_its_first_statement_to_its_end(table):
    statements = [
        {"query": "INSERT INTO t VALUES (1, 1)", "if": {"is_autocommit": True}},
        {"query": "INSERT INTO t VALUES (2, 2)", "if": {"not": {"is_autocommit": True}}},
        {"query": "SELECT 1", "if": {"is_autocommit": True}},
        {"query": "COMMIT"},
        {"query": "ROLLBACK", "if": {"not": {"is_autocommit": True}}},
    ]
    reply = send(table, statements=statements, transaction={"begin": True})
    assert [result.skipped for result in reply.results] == [True, False, True, False, True]
    assert reply.transaction == {"ended": "commit"}
    assert run(table, "SELECT * FROM t").rows == [(2, 2)]


def test_large_rows_before_a_commit_are_behind_urls_also_when_it_is_sent_again():
    service = new_container(PresigningStore(memory_store()), reply_limit_bytes=200_000)
    run(service, "CREATE TABLE t (n)")
    client = Interactive(service)
    rows = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT x FROM c"
    event = {"query": f"INSERT INTO t VALUES (1); {rows}; COMMIT", "transaction": {"token": client.token}}
    for _ in range(2):
        reply = send(service, **event)
        starts = [result.stored and result.stored.url.partition("_")[0] for result in reply.results]
        assert starts == [None, "https://store.example/", None]
    assert run(service, "SELECT * FROM t").rows == [(1,)]
