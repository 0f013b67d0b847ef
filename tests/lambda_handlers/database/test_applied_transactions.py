"""A transaction of several requests is applied once, whichever of its tokens is committed again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambda_handlers.database.transaction.token import LIFE_SECONDS, Kept, Transaction
from lambda_handlers.service import Service
from lambda_handlers.sql.own.request_log import MAX_BYTES
from lambda_handlers.sql.session import WRITE, Session
from lambda_handlers.storage.log.keys import replies_prefix
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import Reply, SldbError, Statement
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.databases.transactions import open_transaction
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return PresigningStore(Timed(memory_store(), clock))


@pytest.fixture
def service(store, clock):
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)", database="x")
    yield service
    service.close()


def begun(clock: Clock, *values: object, number: int = 0) -> Transaction:
    """A transaction that inserts these values, one by one."""
    inserts = [Kept("INSERT INTO t VALUES (?) RETURNING a", (value,), bytes(16), False) for value in values]
    return open_transaction(clock.time + LIFE_SECONDS, *inserts, id=f"{number:016x}")


def commit(service: Service, transaction: Transaction, database: str = "x") -> Reply:
    """Commit as the function does: look it up, run it, record it, all on the newest state."""
    opened = service._database(database)
    deadline = service._resources.deadline(60)
    opened._newest.refresh(deadline)
    copy, applied, attempt = opened._newest.copy, opened._applied, transaction.attempt()
    copy.draft.clear()
    session = Session(copy.vfs, WRITE, deadline)
    try:
        if before := applied.find_transaction(session, copy, attempt):
            return before
        results = session.run([Statement(kept.sql, kept.params) for kept in transaction.statements])
        reply = Reply(results, copy.replica.txid + 1, database)
        applied.record(session, copy, None, reply)
        applied.record_transaction(session, copy, attempt, reply)
        session.commit()
        return reply
    finally:
        session.close()
        copy.draft.clear()
        service._in_use.clear()


def refusal(service: Service, transaction: Transaction, database: str = "x") -> SldbError:
    with pytest.raises(SldbError) as caught:
        commit(service, transaction, database)
    return caught.value


def rows(service: Service, database: str = "x") -> list[object]:
    return [value for (value,) in run(service, "SELECT a FROM t ORDER BY rowid", database=database).rows]


def test_the_same_token_and_each_ancestor_get_the_first_reply(service, store, clock):
    transaction = begun(clock, 1, 2, 3)
    first = commit(service, transaction)
    other = container(store, host=clock.host())
    for again in (transaction, *(begun(clock, *range(1, count)) for count in (3, 2, 1))):
        for each in (service, other):
            assert commit(each, again) == first
    assert rows(service) == [1, 2, 3]
    assert first.results[2].rows == [(3,)]
    other.close()


@pytest.mark.parametrize("values", [(1, 2, 3, 4), (1, 2, 4), (2,), (1, 2, 3.0), (1, 2, "3"), (1, 2, b"3")])
def test_a_branch_with_other_statements_is_a_conflict_and_not_applied(service, clock, values):
    first = commit(service, begun(clock, 1, 2, 3))
    error = refusal(service, begun(clock, *values))
    assert (error.code, error.details["applied"], error.details["txid"]) == ("conflict", "no", first.txid)
    assert f"by transaction {first.txid}, with other statements" in error.message
    assert rows(service) == [1, 2, 3]


def test_another_transaction_with_the_same_statements_is_another(service, clock):
    for number in range(3):
        commit(service, begun(clock, 7, number=number))
    assert rows(service) == [7, 7, 7]


def test_one_that_was_not_committed_leaves_no_trace(service, clock):
    run(service, "CREATE UNIQUE INDEX i ON t (a)", database="x")
    assert refusal(service, begun(clock, 1, 1)).code == "constraint"
    assert commit(service, begun(clock, 1, 2)).results[1].rows == [(2,)]


def test_it_is_remembered_for_as_long_as_its_token_lives(service, clock):
    transaction = begun(clock, 1)
    first = commit(service, transaction)
    for number in range(24):  # requests are forgotten meanwhile
        clock.time += 3600
        commit(service, begun(clock, 2, number=1 + number))
        run(service, "INSERT INTO t VALUES (3)", database="x", request_id=f"later {number}")
        assert commit(service, transaction) == first
    assert rows(service).count(1) == 1
    clock.time += SKEW_SECONDS + 1
    assert commit(service, transaction) == first  # nothing has deleted it
    clock.time += 2 * SKEW_SECONDS
    for last in (98, 99):  # two, so that the log's time is past it, too
        commit(service, begun(clock, 4, number=last))
    error = refusal(service, transaction)
    assert (error.code, error.details["field"]) == ("not_found", "transaction.token")
    assert rows(service).count(1) == 1


@pytest.mark.parametrize("wrong", [-86_400, -36_000, -3601, -61, 61, 3601, 36_000, 86_400, 40 * 365 * 86_400])
def test_no_wrong_clock_has_one_applied_twice(service, store, clock, wrong):
    other_clock = Clock()
    other = container(store, host=other_clock.host())
    transaction = begun(clock, 1)
    other_clock.time = clock.time + wrong
    try:
        first = commit(other, transaction)
    except SldbError as error:
        assert (error.code, wrong > 86_460) == ("not_found", True)  # noqa: PT017 - a day ahead, it has expired there
        first = commit(service, transaction)
    for number in range(40):
        clock.time += 1800 * (1 + number % 3)
        other_clock.time = clock.time + wrong * (number % 2)
        for each in (service, other):
            try:
                commit(each, begun(clock, 2, number=1 + number))
                assert commit(each, transaction) == first
            except SldbError as error:
                assert error.code == "not_found"  # noqa: PT017 - its token is over
    assert rows(service).count(1) == 1
    other.close()


def test_a_log_that_goes_back_in_time_keeps_it(service, store, clock):
    """A writer a day ahead, and after it one that is right: the time of the log goes back."""
    ahead = Clock()
    ahead.time = clock.time + 3 * 86_400
    other = container(store, host=ahead.host())
    transaction = begun(clock, 1)
    first = commit(service, transaction)
    run(other, "INSERT INTO t VALUES (9)", database="x", request_id="ahead")
    other.close()
    clock.time += 5
    run(service, "INSERT INTO t VALUES (9)", database="x", request_id="right")
    commit(service, begun(clock, 2, number=99))
    assert commit(service, transaction) == first


# Replies


def test_a_large_reply_is_kept_elsewhere(service, store, clock):
    text = "".join(chr(33 + number * number % 90) + str(number) for number in range(MAX_BYTES))
    transaction = begun(clock, text)
    first = commit(service, transaction)
    assert len(list(store.list_objects(replies_prefix()))) == 1
    assert commit(service, transaction) == first
    assert refusal(service, begun(clock, text, 1)).code == "conflict"
    (kept,) = store.list_objects(replies_prefix())
    store.delete(kept.key)
    error = refusal(service, transaction)
    assert (error.code, error.details["applied"]) == ("store_error", "yes")
    store.create(kept.key, b"damaged")
    error = refusal(service, transaction)
    assert (error.code, error.details["applied"]) == ("corrupt", "yes")
    assert len(rows(service)) == 1


def test_a_record_that_cannot_be_read_is_no_reason_to_commit_again(service, store, clock, tmp_path):
    transaction = begun(clock, 1)
    commit(service, transaction)
    engine = Engine(store, tmp_path, clock.host(), "x")
    engine.write("UPDATE _sldb_transactions SET reply = x'00'")
    engine.close()
    error = refusal(service, transaction)
    assert (error.code, error.details["applied"]) == ("corrupt", "yes")


# Other databases, and the past


def test_after_a_rename_and_back_it_still_counts(service, clock):
    transaction = begun(clock, 1)
    first = commit(service, transaction)
    act(service, "rename_database", "x", to="y")
    clock.time += 7200
    assert commit(service, transaction, "y") == first
    act(service, "rename_database", "y", to="x")
    assert commit(service, transaction) == first
    assert rows(service) == [1]


def test_a_restore_forgets_what_it_takes_back(service, clock):
    transaction = begun(clock, 1)
    commit(service, transaction)
    act(service, "restore", "x", at=1)
    assert rows(service) == []
    commit(service, transaction)
    commit(service, transaction)
    assert rows(service) == [1]


def test_many_statements_take_six_bytes_each(service, store, clock, tmp_path):
    commit(service, begun(clock, *range(1000)))
    engine = Engine(store, tmp_path, clock.host(), "x")
    engine.replica.refresh()
    assert engine.rows("SELECT length(prefixes) FROM _sldb_transactions") == [(6000,)]
    engine.close()


def test_the_fields_of_a_transaction_that_count(clock):
    transaction = begun(clock, 1)
    for same in (replace(transaction, base=9), replace(transaction, writes=False), replace(transaction, caller="y")):
        assert same.attempt() == transaction.attempt()
