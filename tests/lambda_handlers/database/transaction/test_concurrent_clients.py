"""Clients in threads, each with a container of its own: transactions of read, compute, write, committed against each
other."""

from __future__ import annotations

import threading

import pytest

from lambda_handlers.wire import SldbError
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run

CLIENTS = 8
ROUNDS = 5


def at_once(work, store):
    """Run `work(number, service)` in a thread for each client; return the conflicts that it counts, in sum."""
    conflicts, failures = [], []
    start = threading.Barrier(CLIENTS)

    def client(number):
        service = new_container(store)
        try:
            start.wait()
            conflicts.append(sum(work(number, service) for _ in range(ROUNDS)))
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
            start.abort()
        finally:
            service.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(conflicts)


def until_committed(service, work):
    """Run a transaction again until it commits; return the conflicts before."""
    for conflicts in range(1000):
        transaction = Interactive(service)
        work(transaction)
        try:
            transaction.commit()
        except SldbError as error:
            if (error.code, error.details["applied"]) != ("conflict", "no"):
                raise
        else:
            return conflicts
    raise AssertionError("a thousand conflicts in a row")


def increment(row):
    def work(transaction):
        [(balance,)] = transaction.rows("SELECT balance FROM account WHERE id = ?", [row])
        transaction.run("UPDATE account SET balance = ? WHERE id = ?", [balance + 1, row])
        transaction.run("UPDATE account SET balance = ? WHERE id = ?", [balance + 2, row])

    return work


@pytest.fixture
def accounts(service):
    run(service, "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")
    values = ", ".join(f"({number}, 0)" for number in range(CLIENTS))
    run(service, f"INSERT INTO account VALUES {values}")
    return service


def test_clients_with_rows_of_their_own_have_no_conflict(accounts, store):
    assert at_once(lambda number, service: until_committed(service, increment(number)), store) == 0
    assert run(accounts, "SELECT DISTINCT balance FROM account").rows == [(2 * ROUNDS,)]


@pytest.mark.long
def test_clients_of_one_row_lose_no_update(accounts, store):
    at_once(lambda _, service: until_committed(service, increment(0)), store)
    assert run(accounts, "SELECT balance FROM account WHERE id = 0").rows == [(2 * ROUNDS * CLIENTS,)]


def test_of_two_that_read_the_same_one_is_told(accounts, container, store):
    one, two = Interactive(container(store)), Interactive(container(store))
    for each in (one, two):
        increment(0)(each)
    one.commit()
    with pytest.raises(SldbError, match="statement 1 returns another"):
        two.commit()
    assert run(accounts, "SELECT balance FROM account WHERE id = 0").rows == [(2,)]


@pytest.mark.long
@pytest.mark.parametrize("asks", [False, True])
def test_inserting_clients_conflict_only_if_they_ask_for_the_rowid(accounts, store, asks):
    run(
        accounts,
        "CREATE TABLE event (id INTEGER PRIMARY KEY, who, at DEFAULT CURRENT_TIMESTAMP, noise DEFAULT (random()))",
    )

    def insert(number):
        def work(transaction):
            transaction.run("INSERT INTO event (who) VALUES (?)", [number], lastrowid=asks)
            transaction.run("INSERT INTO event (who) VALUES (?)", [number])

        return work

    conflicts = at_once(lambda number, service: until_committed(service, insert(number)), store)
    assert asks or not conflicts
    counted = run(accounts, "SELECT who, count(*) FROM event GROUP BY who").rows
    assert counted == [(number, 2 * ROUNDS) for number in range(CLIENTS)]
    # Each transaction is one: its rows follow each other, and have one time.
    pairs = run(
        accounts, "SELECT a.who = b.who, a.at = b.at FROM event a JOIN event b ON b.id = a.id + 1 AND a.id % 2"
    ).rows
    assert pairs == [(1, 1)] * (ROUNDS * CLIENTS)
