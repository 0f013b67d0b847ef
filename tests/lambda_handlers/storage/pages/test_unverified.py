"""No page is believed that no checksum covers: files larger than the cache whose page map is missing or damaged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from lambda_handlers.actions import replace_content
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import atlas_key, transaction
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.page_cache import MIN_PAGES
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.past import act, image
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store

FILE, MAP = transaction(2).key("main"), transaction(2).page_map_key("main")
SMALL = 4096 * MIN_PAGES  # of a cache, which the file does not fit into


class World:
    """A database of one small transaction, one of 1.3 MB, and one that replaces some of it."""

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.store = FaultyStore(memory_store())
        writer = Engine(self.store, Path(self.directory.name), Clock().host())
        writer.write("CREATE TABLE t (id INTEGER PRIMARY KEY, body)")
        many = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        writer.write(f"{many} INSERT INTO t SELECT i, hex(randomblob(600)) FROM n")
        writer.write("UPDATE t SET body = 'other' WHERE id % 100 = 1")
        self.pages = [writer.replica.read(Pgno(pgno)) for pgno in range(1, writer.replica.page_count + 1)]
        self.good, self.good_map = self.store.get(FILE), self.store.get(MAP)
        writer.close()

    def put(self, key: str, body: bytes | None) -> None:
        self.store.delete(key)
        if body is not None:
            self.store.create(key, body)

    def begin(self, file: bytes | None = None, page_map: bytes | None = None) -> None:
        self.put(FILE, file or self.good)
        self.put(MAP, page_map)
        for other in (transaction(2).page_map_keys("main")[1], "main/head.json", atlas_key("main")):
            self.store.delete(other)
        self.store.calls.clear()

    def reads(self, limit_bytes: int | None = SMALL) -> str:
        """What a cold reader of every page finds: "right", or the error's code; fails for a wrong page."""
        engine = Engine(self.store, Path(self.directory.name), Clock().host(), limit_bytes=limit_bytes)
        try:
            engine.replica.refresh()
            for pgno, page in enumerate(self.pages, start=1):
                assert engine.replica.read(Pgno(pgno)) == page, f"page {pgno}"
        except SldbError as error:
            return error.code
        finally:
            engine.close()
        return "right"

    def asked(self, verb: str, key: str) -> int:
        return self.store.calls.count((verb, key))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.directory.cleanup()


def flipped(body: bytes, bit: int) -> bytes:
    result = bytearray(body)
    result[bit // 8] ^= 1 << bit % 8
    return bytes(result)


def bits(body: bytes, count: int) -> list[int]:
    """Bits of its header, of its end, and of what is between."""
    size = 8 * len(body)
    return [*range(0, 800, 53), *Random(5).sample(range(size), count), *range(size - 192, size, 17)]


def test_the_file_is_larger_than_the_cache(world: World) -> None:
    assert len(world.good) > 4 * SMALL
    world.begin()
    assert world.reads() == "right"


@pytest.mark.sampled
@pytest.mark.parametrize("limit_bytes", [SMALL, None])
@pytest.mark.parametrize("page_map", [None, b"SLPM and nothing of what it should be"])
def test_a_flipped_bit_in_a_file_without_a_map(world: World, page_map: bytes | None, limit_bytes: int | None) -> None:
    for bit in bits(world.good, 12):
        world.begin(flipped(world.good, bit), page_map)
        assert world.reads(limit_bytes) == "corrupt", f"bit {bit}"


def test_a_flipped_bit_in_the_index_of_the_file(world: World) -> None:
    index_bytes = int.from_bytes(world.good[-24:-16], "big")
    first = 8 * (len(world.good) - 24 - index_bytes)
    for bit in Random(3).sample(range(first, 8 * len(world.good)), 12):
        world.begin(flipped(world.good, bit))
        assert world.reads() == "corrupt", f"bit {bit}"


def test_a_flipped_bit_in_the_map(world: World) -> None:
    for bit in [*range(0, 512, 37), *Random(7).sample(range(8 * len(world.good_map)), 12)]:
        world.begin(page_map=flipped(world.good_map, bit))
        assert world.reads() == "right", f"bit {bit}"


def test_a_shortened_file_without_a_map(world: World) -> None:
    for cut in (1, 24, len(world.good) // 2, len(world.good) - 50):
        world.begin(world.good[:-cut])
        assert world.reads() == "corrupt"


def test_what_one_reader_has_verified_the_next_one_reads_by_range(world: World) -> None:
    world.begin()
    assert world.reads() == "right"
    assert world.store.get(MAP)
    world.store.calls.clear()
    assert world.reads() == "right"
    assert world.asked("get", MAP) == 1
    assert world.asked("create", MAP) == 0


def test_beside_a_damaged_map_lies_the_one_that_counts(world: World) -> None:
    second = transaction(2).page_map_keys("main")[1]
    world.begin(page_map=world.good_map[:-1])
    assert world.reads() == "right"
    assert world.store.get(MAP) == world.good_map[:-1]
    assert world.store.get(second)
    world.store.calls.clear()
    assert world.reads() == "right"
    assert (world.asked("get", second), world.asked("create", second)) == (1, 0)


def test_a_range_that_was_damaged_on_its_way_is_asked_for_again(world: World) -> None:
    world.begin(page_map=world.good_map)
    damaged = []

    def damage(key: str, act_: object) -> object:
        body = act_()  # type: ignore[operator]  # the fake's own call
        if key == FILE and not damaged:
            damaged.append(key)
            return flipped(body, 4711)
        return body

    world.store.plan("get_range", *[damage] * 10)
    assert world.reads() == "right"
    world.store.forget_plans()
    assert damaged


@pytest.mark.parametrize("has_map", [True, False])
def test_a_restore_never_writes_a_page_that_it_has_not_verified(
    world: World, has_map: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a flipped bit makes of a page must not get a right checksum in a new transaction."""
    monkeypatch.setattr(replace_content, "PAST_CACHE_BYTES", SMALL)
    rng = Random(11)
    for _ in range(6):
        store = FaultyStore(memory_store())
        for info in world.store.list_objects("main/0000/"):
            store.create(info.key, world.store.get(info.key))
        for key, body in ((FILE, world.good), (MAP, world.good_map)):
            store.delete(key)
            store.create(key, body)
        service = container(store)
        run(service, "DELETE FROM t")
        want = image(store, at=3)
        store.delete(FILE)
        store.create(FILE, flipped(world.good, rng.randrange(8 * len(world.good))))
        if not has_map:
            store.delete(MAP)
        cold = container(store)
        outcome = restored(cold)
        assert outcome in ("right", "corrupt")
        if outcome == "right":
            store.delete(FILE)
            store.create(FILE, world.good)  # what the restore did not bring is as it was
            assert image(store) == want
        else:
            assert newest_transaction(store) == transaction(4).key("main")  # the DELETE
        service.close()
        cold.close()


def restored(service: Service) -> str:
    try:
        act(service, "restore", at=3)
    except SldbError as error:
        return error.code
    return "right"


def newest_transaction(store: FaultyStore) -> str:
    return max(info.key for info in store.list_objects("main/0000/") if info.key.endswith(".ltx"))
