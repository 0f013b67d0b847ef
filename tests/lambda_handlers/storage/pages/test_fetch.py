"""Reading only what is touched: right whatever is read in whatever order, and few requests for the common orders."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.storage.log.keys import snapshot, transaction
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.fetch import MAX_RANGE_BYTES, RANGES_IN_FLIGHT
from lambda_handlers.storage.pages.page_cache import MIN_PAGES
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import bind, unbind
from lambda_handlers.storage.replica import Gone
from lambda_handlers.store.protocol import Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store

FILL = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "


class World:
    """A database of some megabytes in a few large files and some small ones, its pages, and a count of requests."""

    def __init__(self, rows: int = 6000) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.store = FaultyStore(memory_store())
        self.engines: list[Engine] = []
        writer = self.engine()
        writer.write("CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, body)", "CREATE INDEX by_k ON t (k)")
        writer.write(f"{FILL.format(rows)} INSERT INTO t SELECT i, (i * 7919) % {rows}, randomblob(600) FROM n")
        writer.write(f"{FILL.format(rows // 2)} INSERT INTO t SELECT {rows} + i, i, randomblob(600) FROM n")
        for number in range(20):
            writer.write(f"UPDATE t SET body = randomblob(600) WHERE id = {number * 71 + 1}")
        self.pages = [writer.replica.read(Pgno(pgno)) for pgno in range(1, writer.replica.page_count + 1)]
        self.store.calls.clear()

    def engine(self, limit_bytes: int | None = None) -> Engine:
        host = Clock(seed=len(self.engines)).host()
        self.engines.append(Engine(self.store, Path(self.directory.name), host, limit_bytes=limit_bytes))
        return self.engines[-1]

    def asked(self) -> list[tuple[str, str]]:
        calls = list(self.store.calls)
        self.store.calls.clear()
        return calls

    def close(self) -> None:
        for engine in self.engines:
            engine.close()
        self.directory.cleanup()


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    """For tests that only read."""
    world = World()
    yield world
    world.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World(3000)
    yield world
    world.close()


orders = st.one_of(
    st.lists(st.integers(1, 1500), max_size=150),
    st.tuples(st.integers(1, 1500), st.integers(1, 300)).map(lambda one: list(range(one[0], one[0] + one[1]))),
    st.tuples(st.integers(1, 1500), st.integers(1, 300)).map(lambda one: list(range(one[0] + one[1], one[0], -1))),
)


@pytest.mark.long
@given(st.lists(orders, max_size=6), st.sampled_from([None, 4096 * MIN_PAGES, 4096 * 200]))
@settings(max_examples=40)
def test_every_page_is_what_it_is(shared: World, runs: list[list[int]], limit_bytes: int | None) -> None:
    """In any order, forwards, backwards and anywhere, with a cache of any size, across requests."""
    engine = shared.engine(limit_bytes)
    engine.replica.refresh()
    for run in runs:
        for number in run:
            if number <= len(shared.pages):
                assert engine.replica.read(Pgno(number)) == shared.pages[number - 1]
        engine.replica.cancel_prefetch()
    if limit_bytes is not None:
        assert engine.replica.cached_bytes <= limit_bytes
    engine.close()
    shared.engines.remove(engine)


def cold(shared: World, limit_bytes: int | None = None) -> Engine:
    engine = shared.engine(limit_bytes)
    engine.replica.refresh()
    shared.asked()
    return engine


def test_a_point_read_takes_one_request(shared: World) -> None:
    """The page maps have brought the upper pages of the trees: only the leaf is missing."""
    engine = cold(shared)
    assert engine.rows("SELECT k FROM t WHERE id = 4321") == [((4321 * 7919) % 6000,)]
    assert len(shared.asked()) == 1


def test_a_scan_takes_few_requests(shared: World) -> None:
    engine = cold(shared)
    assert engine.rows("SELECT count(*), sum(length(body)) FROM t") == [(9000, 5_400_000)]
    assert len(shared.asked()) <= 20  # of 8 MB; page by page it would be 1,900


def test_a_scan_asks_ahead_and_not_for_everything(shared: World) -> None:
    """A query that stops early has not moved the whole database."""
    engine = cold(shared)
    assert len(engine.rows("SELECT id FROM t LIMIT 40")) == 40
    moved = sum(1 for verb, _ in shared.asked() if verb == "get_range")
    assert moved <= 3
    assert RANGES_IN_FLIGHT * MAX_RANGE_BYTES <= 16 << 20


def test_a_scan_in_the_order_of_an_index(shared: World) -> None:
    """Leaves that lie anywhere: the page above them says which come next."""
    engine = cold(shared)
    assert engine.rows("SELECT count(DISTINCT k) FROM t INDEXED BY by_k") == [(6000,)]
    assert len(shared.asked()) <= 40


def test_what_was_read_is_not_asked_for_again(shared: World) -> None:
    engine = cold(shared)
    engine.rows("SELECT sum(length(body)) FROM t")
    shared.asked()
    engine.rows("SELECT sum(length(body)) FROM t")
    assert shared.asked() == []


def test_a_cache_that_is_smaller_than_the_table(shared: World) -> None:
    engine = cold(shared, 4096 * 100)
    for _ in range(2):
        assert engine.rows("SELECT count(*), sum(length(body)) FROM t") == [(9000, 5_400_000)]
    assert engine.replica.cached_bytes <= 4096 * 100


# What a commit of somebody else's leaves in the cache


def test_after_a_refresh_only_what_changed_is_fetched(world: World) -> None:
    reader, writer = world.engine(), world.engine()
    reader.replica.refresh()
    reader.rows("SELECT sum(length(body)) FROM t")
    writer.write("UPDATE t SET body = randomblob(500) WHERE id = 77")
    world.asked()
    reader.replica.refresh()
    assert reader.rows("SELECT sum(length(body)) FROM t") == [(4500 * 600 - 100,)]
    keys = {key for _, key in world.asked()}
    assert keys == {transaction(txid).key("main") for txid in (24, 25)}  # what came, and that nothing else did


# Damage, and files that go


def compare_all(engine: Engine, world: World) -> None:
    engine.replica.refresh()
    for pgno, page in enumerate(world.pages, start=1):
        assert engine.replica.read(Pgno(pgno)) == page


def damaged(store: FaultyStore, key: str, position: int) -> None:
    body = bytearray(store.get(key))
    body[position] ^= 1
    store.delete(key)
    store.create(key, bytes(body))


def test_a_flipped_bit_anywhere_is_noticed_before_a_page_is_served(world: World) -> None:
    key = transaction(2).key("main")
    size = world.store.size(key)
    for position in Random(3).sample(range(100, size * 9 // 10), 12):
        damaged(world.store, key, position)
        engine = world.engine()
        with pytest.raises(SldbError) as caught:
            compare_all(engine, world)
        assert (caught.value.code, caught.value.details["key"]) == ("corrupt", key)
        damaged(world.store, key, position)


def test_a_file_that_is_shorter_than_its_map_says(world: World) -> None:
    key = transaction(2).key("main")
    body = world.store.get(key)
    world.store.delete(key)
    world.store.create(key, body[: len(body) // 2])
    engine = world.engine()
    engine.replica.refresh()
    with pytest.raises(SldbError, match="bytes") as caught:
        engine.rows("SELECT sum(length(body)) FROM t")
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", key)


def test_a_map_of_another_file_is_none(world: World) -> None:
    other = world.store.get(transaction(3).page_map_key("main"))
    for body in (other, unbind(other, transaction(3), "main")):  # the second one only its length gives away
        world.store.put(transaction(2).page_map_key("main"), body)
        world.store.delete(transaction(2).page_map_keys("main")[1])
        compare_all(world.engine(), world)


def of_another_file_as_long(world: World) -> PageMap:
    three = transaction(3)
    other = PageMap.decode(unbind(world.store.get(three.page_map_key("main")), three, "main"))
    return replace(other, file_bytes=world.store.size(transaction(2).key("main")))


def test_a_map_of_another_file_as_long_is_none(world: World) -> None:
    other = of_another_file_as_long(world).encode()
    for body in (bind(other, transaction(3), "main"), bind(other, transaction(2), "branch")):
        world.store.put(transaction(2).page_map_key("main"), body)
        compare_all(world.engine(), world)


def test_an_unbound_map_of_another_file_as_long_serves_nothing_wrong(world: World) -> None:
    """As maps were put before they were bound."""
    world.store.put(transaction(2).page_map_key("main"), of_another_file_as_long(world).encode())
    world.store.delete("main/head.json")  # it has copies of the right ones
    engine = world.engine()
    with pytest.raises(SldbError) as caught:
        compare_all(engine, world)
    assert caught.value.code == "corrupt"


def test_a_map_that_was_put_before_maps_were_bound_is_read(world: World) -> None:
    for txid in (2, 3):
        key = transaction(txid).page_map_key("main")
        world.store.put(key, unbind(world.store.get(key), transaction(txid), "main"))
    engine = world.engine()
    world.store.calls.clear()
    engine.replica.refresh()
    assert ("get", transaction(2).key("main")) not in world.store.calls
    compare_all(engine, world)


@pytest.mark.parametrize("map_is", ["gone", "damaged"])
def test_without_a_map_it_takes_more_requests_and_nothing_else(world: World, map_is: str) -> None:
    for txid in (2, 3):
        key = transaction(txid).page_map_key("main")
        world.store.delete(key)
        if map_is == "damaged":
            world.store.create(key, b"SLPM and nothing of what it should be")
    for limit_bytes in (None, 4096 * MIN_PAGES):
        engine = world.engine(limit_bytes)
        compare_all(engine, world)


def test_a_file_that_is_gone_is_told_and_read_elsewhere(world: World, tmp_path: Path) -> None:
    engine = world.engine(4096 * MIN_PAGES)
    engine.replica.refresh()
    compact(world.store, snapshot(23), tmp_path)
    for txid in range(1, 23):
        world.store.delete(transaction(txid).key("main"))
    with pytest.raises(Gone):
        engine.rows("SELECT sum(length(body)) FROM t")
    engine.replica.refresh()
    assert engine.rows("SELECT sum(length(body)) FROM t") == [(4500 * 600,)]


def test_a_store_that_fails_for_a_while(world: World) -> None:
    """An error, and none of it stays: the same read afterwards is right."""
    engine = world.engine()
    engine.replica.refresh()

    def fail(key: str, act: Callable[[], object]) -> object:
        raise Unavailable(key, "no answer")

    world.store.plan("get_range", fail)
    with pytest.raises(SldbError, match="no answer"):
        engine.rows("SELECT sum(length(body)) FROM t")
    world.store.forget_plans()
    assert engine.rows("SELECT sum(length(body)) FROM t") == [(4500 * 600,)]
