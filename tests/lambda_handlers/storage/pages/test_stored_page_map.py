"""Files without a page map, as requests and maintenance passes meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.log import Log
from lambda_handlers.storage import log_lists
from lambda_handlers.storage.log.keys import snapshot, transaction
from lambda_handlers.storage.pages import stored_page_map
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.not_mapped import MAX_WAIT_SECONDS
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import unbind
from lambda_handlers.storage.pages.stored_page_map import Mapper
from lambda_handlers.storage.upkeep import compaction, maintenance
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.slow import Slow
from tests.fakes.stores.timed import Timed


class World:
    """A database with a file that is too large for its cache and has lost its map, in a store that is slow."""

    def __init__(self, directory: Path, map_is: str = "gone") -> None:
        self.clock = Clock()
        self.slow = Slow(memory_store(), self.clock, 1e12)
        self.store = Timed(self.slow, self.clock)
        self.service = container(self.store, host=self.clock.host(), cache_bytes=256 << 10)  # type: ignore[arg-type]  # it passes every verb on
        many = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
        create = "CREATE TABLE t (id INTEGER PRIMARY KEY, body)"
        run(self.service, f"{create}; {many} INSERT INTO t SELECT i, hex(randomblob(600)) FROM n")
        run(self.service, "UPDATE t SET body = 'one' WHERE id = 1")
        for number in range(2):
            run(self.service, "CREATE TABLE t (x)" if not number else "DROP TABLE t", database="other")
        self.key, self.map_key = transaction(1).key("main"), transaction(1).page_map_key("main")
        self.slow.delete(self.map_key)
        self.slow.delete("main/head.json")
        if map_is == "damaged":
            self.store.create(self.map_key, b"SLPM and nothing of what it should be")
        self.slow.bytes_per_second = self.slow.size(self.key) / 10
        self.maintenance = Maintenance(self.store, self.clock.host(), Log("error"), 30)  # type: ignore[arg-type]  # likewise
        self.service.close()
        self.service = container(self.store, host=self.clock.host(), cache_bytes=256 << 10)  # type: ignore[arg-type]  # likewise

    def stored_map(self) -> PageMap:
        return PageMap.decode(unbind(self.slow.get(self.map_key), transaction(1), "main"))

    def ask(self, timeout: float) -> Any:
        return run(self.service, "SELECT count(*), sum(length(body)) FROM t", timeout=timeout).rows


ROWS = [(4000, 3999 * 1200 + 3)]


@pytest.fixture(params=["gone", "damaged"])
def world(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(stored_page_map, "MAPPED_RANGE_BYTES", 64 << 10)
    made = World(tmp_path, request.param)
    yield made
    made.service.close()


def test_a_request_that_has_the_time_maps_the_file_itself(world: World) -> None:
    assert world.ask(timeout=60) == ROWS
    found = Mapper(world.slow, "main", world.clock.host()).look(
        HeadFile(transaction(1), world.slow.size(world.key), True)
    )
    assert found.page_map is not None
    world.slow.bytes_per_second = 1e12
    world.slow.read_bytes = 0
    fresh = container(world.store, host=world.clock.host(), cache_bytes=256 << 10)  # type: ignore[arg-type]  # it passes every verb on
    assert run(fresh, "SELECT body FROM t WHERE id = 1", timeout=1).rows == [("one",)]
    assert world.slow.read_bytes < 1 << 20
    fresh.close()


def test_a_request_that_has_no_time_says_so_and_the_scheduled_function_helps(world: World) -> None:
    with pytest.raises(SldbError, match="no page map") as caught:
        world.ask(timeout=2)
    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
    assert run(world.service, "SELECT count(*) FROM t", database="other", at=1, timeout=2).rows == [(0,)]

    mapped = []
    while sum(mapped) == 0 and len(mapped) < 20:
        (report,) = world.maintenance.run(world.clock.time + maintenance.MAPPING_RESERVE_SECONDS + 3, "main")
        assert report.work is not None, report.error
        mapped.append(report.work.mapped)
    assert 2 < len(mapped) < 20
    assert world.stored_map().file_bytes == world.slow.size(world.key)
    assert not [info.key for info in world.slow.list_objects("main/") if "part.pages" in info.key]
    world.slow.bytes_per_second = 1e12
    assert world.ask(timeout=2) == ROWS


def test_a_restore_of_what_does_not_need_the_file_goes_on(world: World) -> None:
    """And one that needs it changes nothing."""
    world.slow.bytes_per_second = world.slow.size(world.key) / 1e6
    with pytest.raises(SldbError, match="no page map"):
        act(world.service, "restore", at=1)
    assert [info.key for info in world.slow.list_objects("main/0000/") if "3.ltx" in info.key] == []
    assert act(world.service, "restore", "other", at=1)["txid"] == 3


def test_a_wait_is_as_long_as_the_scheduled_function_takes() -> None:
    assert MAX_WAIT_SECONDS == maintenance.FULL_PASS_SECONDS


def test_a_snapshot_that_has_no_map_yet_is_left_out_where_others_lead_as_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass puts the map of what it made behind it; whoever comes in between does not read gigabytes for that."""
    monkeypatch.setattr(log_lists, "UNMAPPED_BYTES", 1 << 20)
    store = FaultyStore(memory_store())
    writer = Engine(store, tmp_path, Clock().host())
    writer.write("CREATE TABLE t (x)", "INSERT INTO t VALUES (randomblob(3000000))")
    writer.write("INSERT INTO t VALUES ('more')")
    compact(store, snapshot(2), tmp_path)
    store.delete("main/head.json")
    store.calls.clear()
    cold = Engine(store, tmp_path, Clock().host(), limit_bytes=1 << 18)
    cold.replica.refresh()
    assert cold.rows("SELECT count(*), sum(length(x)) FROM t") == [(2, 3000004)]
    assert not [call for call in store.calls if "0009" in call[1]]
    store.delete(transaction(1).key("main"))
    other = Engine(store, tmp_path, Clock().host(), limit_bytes=1 << 18)
    other.replica.refresh()
    assert other.rows("SELECT count(*), sum(length(x)) FROM t") == [(2, 3000004)]
    for engine in (writer, cold, other):
        engine.close()


def test_pages_that_nobody_has_verified_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first reader is half-way when another one puts the map: what it has read so far was damaged on its way."""
    monkeypatch.setattr(stored_page_map, "MAPPED_RANGE_BYTES", 64 << 10)
    clock = Clock()
    store = Slow(memory_store(), clock, 1e12)
    writer = Engine(store, tmp_path, clock.host())
    writer.write("CREATE TABLE t (x)", "INSERT INTO t VALUES (randomblob(3000000))")
    key, map_key = transaction(1).key("main"), transaction(1).page_map_key("main")
    good = store.get(map_key)
    for hint in (map_key, "main/head.json"):
        store.delete(hint)
    store.bytes_per_second = store.size(key) / 100

    def damage(asked: str, act_: Callable[[], Any]) -> Any:
        body = bytearray(act_())
        if asked == key:
            body[40_000] ^= 1
        return bytes(body)

    def another_puts_it(_key: str, act_: Callable[[], Any]) -> Any:
        store.create(map_key, good)
        return act_()

    # The first question may be whether there is a next transaction.
    store.plan("get_range", damage, damage, *[lambda _key, act_: act_()] * 10, another_puts_it)
    cold = Engine(store, tmp_path, clock.host())
    cold.replica.refresh()
    assert cold.image() == writer.image()
    for engine in (writer, cold):
        engine.close()


def test_a_pass_looks_at_each_map_once(world: World) -> None:
    world.slow.bytes_per_second = 1e12
    world.maintenance.run(world.clock.time + 900, "main")
    world.slow.calls.clear()
    world.maintenance.run(world.clock.time + 900, "main")
    assert not [call for call in world.slow.calls if call[1].endswith(".pages")]


def test_a_damaged_map_goes_and_the_second_one_becomes_the_first(world: World) -> None:
    world.slow.bytes_per_second = 1e12
    assert world.ask(timeout=60) == ROWS  # puts a map, beside the damaged one if there is one
    world.maintenance.run(world.clock.time + 900, "main")
    assert world.stored_map().file_bytes == world.slow.size(world.key)


def test_whatever_lies_beside_a_file_goes_before_it(world: World) -> None:
    beside = [*transaction(1).page_map_keys("main"), transaction(1).map_progress_key("main")]
    for key in beside:
        world.slow.delete(key)
        world.store.create(key, b"whatever")
    orphans = [*transaction(77).page_map_keys("main"), transaction(77).map_progress_key("main")]
    for key in orphans:
        world.store.create(key, b"whatever")
    world.slow.bytes_per_second = 1e12
    world.maintenance.retention_days = 0
    run(world.service, "DELETE FROM t", timeout=60)
    for _ in range(3):
        world.maintenance.run(world.clock.time + 900, "main")
        world.clock.time += 3700
    assert set(orphans) <= set(world.store.deleted)
    left = {info.key for info in world.slow.list_objects("main/")}
    assert world.key not in left
    assert not left & set(beside)
    gone = world.store.deleted
    assert all(gone.index(key) < gone.index(world.key) for key in beside if key in gone)


def test_a_large_file_of_the_past_is_mapped_too(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot takes its place in the newest state; `at` still reads it."""
    monkeypatch.setattr(compaction, "PAST_WORTH_MAPPING_BYTES", 1 << 20)
    world.slow.bytes_per_second = 1e12
    compact(world.store, snapshot(2), tmp_path)  # type: ignore[arg-type]  # it passes every verb on
    world.slow.delete_many([world.map_key])
    (report,) = world.maintenance.run(world.clock.time + 900, "main")
    assert report.work is not None
    assert report.work.files[0].name == snapshot(2)
    assert world.stored_map().file_bytes == world.slow.size(world.key)
