from __future__ import annotations

from pathlib import Path

import pytest

from lambda_handlers.object_store import NotFound
from lambda_handlers.storage.history import txid_at
from lambda_handlers.storage.keys import LtxName
from lambda_handlers.storage.ltx import Header, encode
from lambda_handlers.wire import SldbError
from tests.fakes.engine import compact
from tests.fakes.store import FaultyStore


def put(store: FaultyStore, name: LtxName, timestamp_ms: int) -> None:
    store.store.create(name.key("main"), encode(Header(512, 0, name.min_txid, name.max_txid, timestamp_ms), []))


@pytest.fixture
def log(store: FaultyStore) -> FaultyStore:
    """Three transactions in one millisecond, and some before and after."""
    for txid, timestamp_ms in enumerate([1000, 2000, 3000, 3000, 3000, 4000, 10_000], start=1):
        put(store, LtxName(0, txid, txid), timestamp_ms)
    return store


@pytest.mark.parametrize(
    ("moment_ms", "txid"),
    [(0, 0), (999, 0), (1000, 1), (1999, 1), (2000, 2), (2999, 2), (3000, 5), (3001, 5), (4000, 6), (9999, 6),
     (10_000, 7), (1 << 60, 7)],
)  # fmt: skip
def test_the_newest_at_a_moment(log: FaultyStore, moment_ms: int, txid: int) -> None:
    assert txid_at(log, "main", moment_ms) == txid


def test_no_database_has_no_past(store: FaultyStore) -> None:
    assert txid_at(store, "main", 1 << 60) == 0


def test_compacted_files_know_when_they_end(log: FaultyStore) -> None:
    put(log, LtxName(9, 1, 5), 3000)
    for txid in (1, 2, 3, 4, 5):
        log.delete(LtxName(0, txid, txid).key("main"))

    assert [txid_at(log, "main", moment_ms) for moment_ms in (2999, 3000, 4000, 10_000)] == [0, 5, 6, 7]


def test_files_that_end_alike_count_once(log: FaultyStore) -> None:
    for name in (LtxName(9, 1, 5), LtxName(1, 3, 5), LtxName(1, 1, 2)):
        put(log, name, 3000 if name.max_txid == 5 else 2000)

    assert [txid_at(log, "main", moment_ms) for moment_ms in (1999, 2000, 3000)] == [1, 2, 5]


def test_a_search_by_halves_reads_few_headers(store: FaultyStore) -> None:
    for txid in range(1, 1001):
        put(store, LtxName(0, txid, txid), txid * 10)
    store.verbs()

    assert txid_at(store, "main", 3339) == 333

    verbs = store.verbs()
    assert verbs[0] == "list_objects"
    assert set(verbs[1:]) == {"get"}  # small files, whose own checksum covers their header
    assert len(verbs) <= 1 + 10


def test_a_damaged_header_is_named(log: FaultyStore) -> None:
    key = LtxName(0, 4, 4).key("main")
    log.delete(key)
    log.store.create(key, b"rubbish")

    with pytest.raises(SldbError, match=key) as caught:
        txid_at(log, "main", 3000)
    assert caught.value.code == "corrupt"


def test_what_disappears_meanwhile_is_the_stores_error(log: FaultyStore) -> None:
    def gone(key: str, act: object) -> bytes:
        raise NotFound(key)

    log.plan("get", gone)
    with pytest.raises(NotFound):
        txid_at(log, "main", 3000)


def test_every_moment_that_the_engine_wrote(engine, store: FaultyStore, clock, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # fixtures of conftest.py
    one, moments = engine(), {}
    one.write("CREATE TABLE t(n)")
    for n in range(2, 12):
        clock.time += 0.001 * (n % 3)  # some share a millisecond
        one.write(f"INSERT INTO t VALUES ({n})")
        moments[int(clock.time * 1000)] = n
    compact(store, LtxName(1, 2, 6), tmp_path)

    assert {moment: txid_at(store, "main", moment) for moment in moments} == moments
