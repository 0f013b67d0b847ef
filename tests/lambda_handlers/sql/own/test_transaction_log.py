"""The log of transactions: a committed one is found for as long as its token may live, whatever the clocks say."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.database.transaction.token import LIFE_SECONDS
from lambda_handlers.sql.own import request_log, transaction_log
from lambda_handlers.sql.own.request_log import Times
from lambda_handlers.sql.own.transaction_log import Attempt, Committed
from lambda_handlers.store_clock import SKEW_SECONDS

DAY, HOUR = 86_400.0, 3600.0


@pytest.fixture
def connection():
    opened = apsw.Connection(":memory:")
    yield opened
    opened.close()


def record(connection: apsw.Connection, number: int, begun_at: float, times: Times) -> Attempt:
    attempt = Attempt(f"{number:016x}", b"hash%02d" % number, begun_at + LIFE_SECONDS)
    transaction_log.record(connection, attempt, times, b"entry%d" % number)
    return attempt


def test_a_record_comes_back(connection):
    assert transaction_log.find(connection, "0" * 16) is None
    one, two = (record(connection, number, 0.0, Times(9.0, 9.0)) for number in (1, 2))
    assert transaction_log.find(connection, one.id) == Committed(b"hash01", b"entry1")
    assert transaction_log.find(connection, two.id) == Committed(b"hash02", b"entry2")
    assert transaction_log.find(connection, "0" * 16) is None


@pytest.mark.parametrize(
    ("prefixes", "includes"),
    [
        (b"", True),
        (b"aaaaaa", True),
        (b"aaaaaabbbbbb", True),
        (b"aaaaaabbbbbbcccccc", False),
        (b"aaaaaacccccc", False),
        (b"cccccc", False),
        (b"bbbbbb", False),
    ],
)
def test_the_same_and_earlier_states_are_included_and_others_not(prefixes, includes):
    assert Committed(b"aaaaaabbbbbb", b"").includes(Attempt("0" * 16, prefixes, 0.0)) is includes


clocks = st.floats(-3 * HOUR, 3 * HOUR) | st.floats(-2 * DAY, 2 * DAY) | st.floats(-400 * DAY, 400 * DAY)
steps = st.tuples(st.floats(0, DAY), clocks, clocks)


@given(st.lists(steps, min_size=1, max_size=8), clocks)
@example([(0.0, 0.0, 0.0), (DAY, 2 * SKEW_SECONDS + 1, 0.0)], -HOUR)
@example([(0.0, 0.0, -10 * HOUR), (DAY + 3 * SKEW_SECONDS, 0.0, 0.0)], 0.0)
def test_a_committed_transaction_is_found_or_too_old_to_be_committed_again(steps, wrong):
    """The times of a log ascend; each machine that begins or commits may have any clock."""
    connection = apsw.Connection(":memory:")
    log = now = 1e9
    committed = []
    for number, (seconds, begins_wrong, commits_wrong) in enumerate(steps):
        now += seconds
        times = Times(now + commits_wrong, log)
        begun_at = now + begins_wrong
        if Attempt("", b"", begun_at + LIFE_SECONDS).has_expired(times):
            continue  # it is not committed
        if begun_at > times.clock + SKEW_SECONDS:
            continue  # its token is refused
        committed.append(record(connection, number, begun_at, times))
        log = max(log, times.clock)
        for attempt in committed:
            is_found = transaction_log.find(connection, attempt.id) is not None
            assert is_found or attempt.has_expired(Times(now + wrong, log))
    connection.close()


def test_records_are_deleted_once_their_tokens_are_over(connection):
    now = 1e9
    for number in range(200):
        record(connection, number, now, Times(now, now))
        now += HOUR
    (count,) = connection.execute(f"SELECT count(*) FROM {transaction_log.TABLE}").fetchone()
    assert 24 <= count <= 26


def test_what_a_clock_far_ahead_has_recorded_does_not_stay_for_ever(connection):
    now = 1e9
    for number in range(100):
        record(connection, number, now + 400 * DAY, Times(now, now))
        now += HOUR
    (count,) = connection.execute(f"SELECT count(*) FROM {transaction_log.TABLE}").fetchone()
    assert count == 1


def test_the_requests_of_an_hour_and_the_transactions_of_a_day_are_apart(connection):
    """A function that knows no transactions deletes from its own table alone."""
    attempt = record(connection, 1, 1e9, Times(1e9, 1e9))
    later = Times(1e9 + 23 * HOUR, 1e9 + 23 * HOUR)
    request_log.record(connection, attempt.id, later, b"another")
    request_log.record(connection, "other", later, b"another")
    assert transaction_log.find(connection, attempt.id) == Committed(b"hash01", b"entry1")


def test_a_table_that_is_not_ours_proves_nothing_and_is_replaced(connection):
    connection.execute(f"CREATE TABLE {transaction_log.TABLE} (id, prefixes, reply)")
    connection.execute(f"INSERT INTO {transaction_log.TABLE} VALUES ('{1:016x}', x'00', x'00')")
    assert transaction_log.find(connection, f"{1:016x}") is None
    record(connection, 1, 0.0, Times(9.0, 9.0))
    assert transaction_log.find(connection, f"{1:016x}") == Committed(b"hash01", b"entry1")
