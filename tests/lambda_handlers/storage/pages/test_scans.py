"""A cold full scan: the next pieces are under way before it needs them, and little is left to do after the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.storage.pages import fetch
from lambda_handlers.storage.pages.fetch import RANGES_IN_FLIGHT
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.rounds import RoundsStore

ROWS = 6000
NUMBERS = f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
FILL = f"{NUMBERS} INSERT INTO t SELECT i, randomblob(600) FROM n"
SCAN = "SELECT count(*), sum(length(body)) FROM t"
LONGEST = 256 << 10


class Calls:
    """Calls that are over as soon as they are waited for, and the number of those under way then."""

    def __init__(self) -> None:
        self.under_way: list[Started] = []
        self.beside: list[int] = []  # calls under way at each wait
        self.sizes: list[int] = []  # bytes of each answer that was waited for

    def start(self, function: Callable[[], Any]) -> Started:
        self.under_way.append(Started(self, function))
        return self.under_way[-1]


class Started:
    def __init__(self, calls: Calls, function: Callable[[], Any]) -> None:
        self._calls, self._function = calls, function

    def wait(self, _seconds: float) -> bool:
        self._calls.under_way.remove(self)
        self._calls.beside.append(len(self._calls.under_way))
        return True

    def result(self) -> Any:
        found = self._function()
        self._calls.sizes.append(len(found or b""))
        return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FaultyStore:
    """A table of 4 MB in one file."""
    store = FaultyStore(memory_store())
    writer = Engine(store, tmp_path_factory.mktemp("writer"), Clock().host())
    writer.write("CREATE TABLE t (id INTEGER PRIMARY KEY, body)", FILL)
    writer.close()
    return store


@pytest.fixture
def scanned(store: FaultyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """The calls of a cold full scan."""
    monkeypatch.setattr(fetch, "MAX_RANGE_BYTES", LONGEST)
    calls = Calls()
    engine = Engine(store, tmp_path, replace(Clock(seed=1).host(), start=calls.start))
    engine.replica.refresh()
    calls.under_way.clear()
    calls.sizes.clear()
    assert engine.rows(SCAN) == [(ROWS, ROWS * 600)]
    yield calls
    engine.close()


def test_the_next_ranges_are_under_way_when_one_is_waited_for(scanned: Calls) -> None:
    first, *others = scanned.beside  # one leaf alone makes nothing read ahead
    assert first == 0
    assert set(others[:-RANGES_IN_FLIGHT]) == {RANGES_IN_FLIGHT}
    assert others[-RANGES_IN_FLIGHT:] == list(reversed(range(RANGES_IN_FLIGHT)))  # all has been requested


def test_little_is_left_to_read_after_the_last_range(scanned: Calls) -> None:
    assert max(scanned.sizes) > LONGEST * 0.9
    assert all(size <= LONGEST // 4 for size in scanned.sizes[-3:])
    assert len(scanned.sizes) <= sum(scanned.sizes) / max(scanned.sizes) + 4


@pytest.mark.parametrize(("part", "requests"), [(8, 64), (2, 26)])
def test_a_warm_scan_of_more_than_the_cache_holds_moves_the_table_once(
    store: FaultyStore, tmp_path: Path, part: int, requests: int
) -> None:
    """What it reads ahead does not push out what it has not used yet."""
    counting = RoundsStore(store)
    table_bytes = sum(info.size for info in store.list_objects("main/"))
    limit_bytes = ROWS * 600 // part
    engine = Engine(counting, tmp_path, counting.host(Clock(seed=2).host()), limit_bytes=limit_bytes)
    engine.replica.refresh()
    for _ in range(3):
        counting.measure()
        assert engine.rows(SCAN) == [(ROWS, ROWS * 600)]
        engine.replica.cancel_prefetch()
        assert len(counting.requests) <= requests
        assert counting.rounds <= 14
        assert counting.bytes_in <= 1.03 * table_bytes
        assert engine.replica.cached_bytes <= limit_bytes
    engine.close()
