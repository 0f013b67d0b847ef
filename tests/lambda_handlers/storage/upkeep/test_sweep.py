"""The sweep: finds each database with work within a day, by one page of a LIST a minute."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import work_items
from lambda_handlers.storage.log.keys import LtxName, snapshot, sweep_key, transaction
from lambda_handlers.storage.upkeep import sweep
from lambda_handlers.storage.upkeep.compaction import PAST_WORTH_MAPPING_BYTES
from lambda_handlers.storage.upkeep.sweep import Found, Progress, Sweep
from lambda_handlers.store.protocol import ObjectInfo
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed
from tests.lambda_handlers.storage.upkeep.passes import DAY, RETENTION_DAYS, World

NAMES = ["0", "a", "a-b", "a0", "b", "main", "z" * 63]
PLACES = ["_replies/0123456789abcdef", "_streams/x", "_probe", "_work/a/0000000000000010", "readme.txt"]


class Store(FaultyStore):
    """A store that counts."""

    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(Timed(memory_store(), self.clock))  # type: ignore[arg-type]  # it forwards all verbs

    def sweep(self) -> Sweep:
        return Sweep(self, self.clock.host(), 30 * DAY)

    def fill(self, database: str, files: int) -> None:
        for txid in range(1, files + 1):
            self.create(transaction(txid).key(database), b"x" * 300)
        self.put(snapshot(files).key(database), b"x" * 300)

    def found(self) -> set[str]:
        return {one.database for one in work_items.find(self)}


def run(store: Store) -> int:
    """Let a minute pass, and return the number of LISTs of the whole store."""
    store.clock.time += 60
    store.verbs()
    store.sweep().run(store.clock.time + 900)
    return store.calls.count(("list_objects", ""))


def is_over(store: Store) -> bool:
    return Progress.decode(store.get(sweep_key())).after is None


@given(
    idle=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 12)),
    busy=st.sets(st.sampled_from(NAMES), max_size=3),
    others=st.sets(st.sampled_from(PLACES)),
)
def test_it_finds_every_database_with_work_by_one_list_a_minute(
    idle: dict[str, int], busy: set[str], others: set[str]
) -> None:
    store = Store()
    for name, files in idle.items():
        store.fill(name, files)
    for name in busy:
        store.put(f"{name}/0002/0000000000000001-0000000000000001.2.pages", b"x")
        store.put(snapshot(1).key(name), b"x" * 300)
    for key in others:
        store.put(key, b"")
    large = {name for name, files in idle.items() if files >= 4}  # as large as a page
    with patch.object(sweep, "PAGE_KEYS", 5):
        for _ in range(40):
            assert run(store) == 1
            if is_over(store):
                break
        assert is_over(store)
        assert busy <= store.found()
        assert store.found() - busy - large <= {"a"}  # the item that was there
        assert run(store) == 0  # until the next day


def test_a_day_later_it_begins_again_and_a_missed_minute_skips_nothing() -> None:
    store = Store()
    store.fill("a", 1)
    assert [run(store), run(store)] == [1, 0]
    store.clock.time += DAY - 180
    assert [run(store), run(store)] == [0, 1]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"version":1,"began_at":1}'])
def test_a_progress_that_is_damaged_is_none(body: bytes) -> None:
    store = Store()
    store.fill("a", 1)
    store.put(sweep_key(), body)
    assert run(store) == 1
    assert is_over(store)


def test_as_many_pages_a_minute_as_the_sweep_before_needed() -> None:
    store = Store()
    for number in range(30):
        store.fill(f"db-{number}", 1)
    with patch.object(sweep, "PAGE_KEYS", 5), patch.object(sweep, "PAGES_A_DAY", 10):
        minutes = [0, 0]
        for day in range(2):
            store.clock.time += DAY
            while not minutes[day] or not is_over(store):
                run(store)
                minutes[day] += 1
    assert minutes[0] >= 10
    assert minutes[1] <= minutes[0] // 2 + 1


def test_two_at_once_do_no_harm() -> None:
    store = Store()
    store.fill("a", 1)
    other = store.sweep()
    store.plan("create", lambda _key, act: (other.run(store.clock.time + 900), act())[1])
    assert run(store) == 2
    assert is_over(store)


OLD = 40 * DAY
BASE = {snapshot(9).key("a"): (3000, OLD)}


def infos(*objects: dict[str, tuple[int, float]]) -> list[ObjectInfo]:
    """The objects of these sizes and ages."""
    merged = {key: found for each in objects for key, found in each.items()}
    return [ObjectInfo(key, size, -age) for key, (size, age) in merged.items()]


def above(count: int, size: int = 300, age: float = 0.0) -> dict[str, tuple[int, float]]:
    return {transaction(txid).key("a"): (size, age) for txid in range(10, 10 + count)}


@pytest.mark.parametrize(
    ("objects", "has_work"),
    [
        (BASE, False),
        (BASE | above(4), False),
        (BASE | above(5), True),
        (BASE | above(1, 3000), True),
        (BASE | above(1, 131), True),  # perhaps a drop
        (BASE | above(4, age=31 * DAY), True),  # they wait for a snapshot
        (BASE | {transaction(9).key("a"): (300, OLD)}, True),  # it has outlived its period
        (BASE | {transaction(9).key("a"): (300, 1800.0)}, False),
        (BASE | {transaction(12).key("a"): (300, 0.0)}, True),  # a gap
        ({snapshot(9).key("a"): (2 << 20, OLD)}, True),  # without a map
        ({snapshot(9).key("a"): (2 << 20, OLD), snapshot(9).page_map_key("a"): (300, OLD)}, False),
        (
            {snapshot(9).key("a"): (2 << 20, OLD)} | dict.fromkeys(snapshot(9).page_map_keys("a"), (300, OLD)),
            True,
        ),  # one is damaged
        (BASE | {snapshot(9).map_progress_key("a"): (300, 0.0)}, True),
        (BASE | {LtxName(0, 1, 1).page_map_key("a"): (300, 3700.0)}, True),  # without its file
        (BASE | {"a/uploads/u/1": (5, DAY + 1)}, True),
        (BASE | {"a/uploads/u/1": (5, DAY - 1)}, False),
        (BASE | {"a/head.json": (300, OLD), "a/maintenance.json": (100, OLD), "a/lock.json": (100, OLD)}, False),
        ({"a/head.json": (300, OLD)}, False),
    ],
)
def test_what_a_list_shows(objects: dict[str, tuple[int, float]], has_work: bool) -> None:
    assert Found.of("a", infos(objects)).has_work(0.0, 30 * DAY) is has_work


def test_a_damaged_page_map_of_a_large_file_is_found() -> None:
    store = Store()
    name = snapshot(9)
    store.put(name.page_map_key("a"), b"damaged")
    listed = [ObjectInfo(name.key("a"), PAST_WORTH_MAPPING_BYTES, 0.0), ObjectInfo(name.page_map_key("a"), 7, 0.0)]
    store.list_objects = lambda _prefix, _after=None: iter(listed)  # type: ignore[method-assign]
    store.clock.time = 100.0
    run(store)
    del store.list_objects  # type: ignore[attr-defined]
    assert store.found() == {"a"}


BIG = ("CREATE TABLE IF NOT EXISTS big(x)", "INSERT INTO big VALUES (randomblob(1200000))")
CHANGES: list[Callable[[World], object]] = [
    lambda world: world.write(1),
    lambda world: world.write(20),
    lambda world: world.writer.write(*BIG),
    lambda world: setattr(world.clock, "time", world.clock.time + DAY),
    lambda world: setattr(world.clock, "time", world.clock.time + (RETENTION_DAYS + 1) * DAY),
]


@pytest.mark.parametrize("number", range(5))
def test_what_a_pass_has_left_has_no_work(world: World, number: int) -> None:
    """Else an idle database would have a pass each day."""
    for change in (CHANGES[number], CHANGES[0], CHANGES[(number + 2) % 5], CHANGES[number]):
        change(world)
        for _ in range(3):
            world.maintain("main")
            world.clock.time += 3700
    found = Found.of("main", list(world.store.list_objects("main/")))
    assert not found.has_work(world.clock.time, RETENTION_DAYS * DAY)
