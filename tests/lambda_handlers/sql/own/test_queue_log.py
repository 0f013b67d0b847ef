"""The log of queued requests: what it remembers, for how long, and how large it gets."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import apsw
import pytest

from lambda_handlers.sql.own.queue_log import HOUR_SECONDS, TABLE, QueuedId, find, record, search
from lambda_handlers.wire import new_request_id

DAY = 86_400.0
NOW = 1_800_000_000.0
MEMORY = 14 * DAY


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    yield connection
    connection.close()


def count(connection: apsw.Connection) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {TABLE}").fetchall()[0][0])


@pytest.mark.parametrize(
    "queued",
    [
        QueuedId("m", NOW),
        QueuedId("m"),
        QueuedId(new_request_id(NOW, bytes(10))),
        QueuedId("m", 1e13),
        QueuedId("", -1.0),
    ],
)
def test_an_id_is_found_under_its_own_time_and_by_a_search(connection: apsw.Connection, queued: QueuedId) -> None:
    assert find(connection, "main", queued, 0) is None
    record(connection, queued.key("main"), NOW + 0.9, 7, NOW - MEMORY)
    found = find(connection, "main", queued, NOW - MEMORY)
    assert found is not None
    assert (found.at, found.txid) == (NOW, 7)
    if queued.sent_at in (None, NOW):
        assert search(connection, "main", queued.text, NOW - MEMORY, NOW + 60) == found


def test_what_is_not_the_same_is_not_found(connection: apsw.Connection) -> None:
    record(connection, QueuedId("m", NOW).key("main"), NOW, 7, NOW - MEMORY)
    assert find(connection, "other", QueuedId("m", NOW), 0) is None
    assert find(connection, "main", QueuedId("n", NOW), 0) is None
    assert find(connection, "main", QueuedId("m", NOW + 2 * HOUR_SECONDS), 0) is None
    assert find(connection, "main", QueuedId("m", NOW), NOW) is None  # expired
    assert search(connection, "main", "m", NOW + HOUR_SECONDS, NOW + DAY) is None


@pytest.mark.parametrize("form", ["of the message", "of sldb", "of a producer"])
def test_it_stays_small(connection: apsw.Connection, form: str) -> None:
    """Some hundred ids a day for two months."""
    chance, most = Random(0), 0
    for number in range(60 * 100):
        now = NOW + number * DAY / 100
        text = f"{chance.getrandbits(128):032x}" if form != "of sldb" else new_request_id(now, chance.randbytes(10))
        queued = QueuedId(text, now if form == "of the message" else None)
        record(connection, queued.key("main"), now, number, now - MEMORY)
        most = max(most, count(connection)) if number % 100 == 0 else most
    assert 1400 <= most <= 1400 * 1.25


def test_another_table_in_its_place_is_replaced(connection: apsw.Connection) -> None:
    connection.execute(f"CREATE TABLE {TABLE} (id)")
    assert find(connection, "main", QueuedId("m"), 0) is None
    assert search(connection, "main", "m", 0, 10) is None
    record(connection, QueuedId("m").key("main"), NOW, 7, 0)
    assert find(connection, "main", QueuedId("m"), 0) is not None
