"""All objects but the log's files may be damaged, and that costs requests: each bit of each of them, cut, emptied, and
put at each other's keys, with right answers from a cold and a slept reader, a writer and a pass every time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.log import Log
from lambda_handlers.shared.lock_holder import LOCKS_PREFIX, lock_key
from lambda_handlers.shared.sealed_json import seal
from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.keys import (
    LtxName,
    head_key,
    maintenance_key,
    parse_ltx_key,
    parse_page_map_key,
    snapshot,
)
from lambda_handlers.storage.pages import atlas, page_map_binding
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.page_map import BadPageMap, PageMap
from lambda_handlers.storage.pages.page_map_binding import bind, unbind
from lambda_handlers.storage.replica import Conflict
from lambda_handlers.storage.upkeep.lease import LEASE_SECONDS
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.protocol import NotFound
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

SMALL = [head_key("main"), lock_key("main"), maintenance_key("main")]
ROW = "SELECT v, length(x) FROM t WHERE n = 1700"


class World:
    """A database with all that may lie beside its log, and another one, which was the same until its last write."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.store = Timed(memory_store(), self.clock)
        self._directory = directory
        for database in ("other", "main"):
            self._fill(database)
        self.lock().acquire("main", self.clock.time, "INSERT t")
        self.store.put(
            maintenance_key("main"),
            seal({"version": 2, "owner": "x", "expires_at": self.clock.time + LEASE_SECONDS}, maintenance_key("main")),
        )
        self.objects = {key: self.store.get(key) for key in self._keys()}
        self.strangers = {info.key: self.store.get(info.key) for info in self.store.list_objects("other/")}
        self.advisory = [key for key in self.objects if parse_ltx_key("main", key) is None]
        self.slept = self.engine()
        self.slept.replica.refresh()
        self.slept_at = self.clock.time

    def _fill(self, database: str) -> None:
        writer = self.engine(database)
        rows = (
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600) SELECT i, 0, randomblob(1200) FROM n"
        )
        writer.write("CREATE TABLE t(n INTEGER PRIMARY KEY, v, x)", f"INSERT INTO t {rows}")
        for number in range(1, 14):
            writer.write(f"UPDATE t SET v = {number} WHERE n % 100 = 0")
        self.maintain(database)
        writer.write("UPDATE t SET v = 'as long' WHERE n = 1700")
        for number in range(3):
            writer.write(f"UPDATE t SET v = '{database[0]}{number}' WHERE n = 1700")
        writer.close()

    def engine(self, database: str = "main") -> Engine:
        return Engine(self.store, self._directory, self.clock.host(), database)  # type: ignore[arg-type]

    def lock(self) -> ObjectLock:
        return ObjectLock(self.store, self.clock.host(), max_age_seconds=90.0, retry_seconds=1.0)  # type: ignore[arg-type]

    def maintain(self, database: str = "main") -> str:
        """The error of a pass."""
        maintenance = Maintenance(self.store, self.clock.host(), Log("error"), 30)  # type: ignore[arg-type]
        return "".join(report.error for report in maintenance.run(self.clock.time + 900, database))

    def restore(self) -> None:
        """All as it was."""
        for key in self._keys():
            if key not in self.objects:
                self.store.delete(key)
        for key, body in self.objects.items():
            if self._body(key) != body:
                self.store.put(key, body)
        self.clock.time = self.slept_at

    def _keys(self) -> list[str]:
        return [info.key for prefix in ("main/", LOCKS_PREFIX) for info in self.store.list_objects(prefix)]

    def _body(self, key: str) -> bytes | None:
        try:
            return self.store.get(key)
        except NotFound:
            return None

    def check(self, key: str, body: bytes) -> None:
        """With this body at the key: what is read, written and passed over is right."""
        self.store.put(key, body)
        cold = self.engine()
        cold.replica.refresh()
        assert cold.rows(ROW) == [("m2", 1200)]
        if key == lock_key("main"):
            lock = self.lock()
            lock.release(lock.acquire("main", self.clock.time + 100, "").lock_id, "main")
        txid = self._write(cold)
        assert txid == 19
        assert self.maintain() == ""
        for reader in (self.engine(), cold):
            reader.replica.refresh()
            assert (reader.replica.txid, reader.rows(ROW)) == (19, [("written", 1200)])
            reader.close()

    @staticmethod
    def _write(engine: Engine) -> int | None:
        for _ in range(3):
            try:
                return engine.write("UPDATE t SET v = 'written' WHERE n = 1700")
            except Conflict:
                continue
        return None


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("advisory"))
    yield world
    world.slept.close()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    yield shared
    shared.restore()


def flipped(body: bytes, bit: int) -> bytes:
    damaged = bytearray(body)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_all_kinds_are_there(world: World) -> None:
    kinds = {key.rsplit(".", 1)[-1] for key in world.advisory}
    assert kinds == {"json", "pages", "main/atlas"}
    assert set(SMALL) <= set(world.advisory)
    head = Head.decode(world.objects[head_key("main")], "main")
    assert head is not None
    assert any(file.in_atlas for file in head.files)


@pytest.mark.long
@pytest.mark.parametrize("key", SMALL)
def test_each_byte_of_a_small_one(world: World, key: str) -> None:
    """Each bit of them is flipped where they are decoded: test_sealed, test_head, test_s3, test_maintenance."""
    body = world.objects[key]
    start = body.find(b'"copies"') + 100  # one checksum covers them and the rest
    for at in range(len(body)) if start < 100 else (*range(start), *range(start, len(body), 500), len(body) - 1):
        world.check(key, flipped(world.objects[key], 8 * at + at % 8))
        world.restore()


@pytest.mark.parametrize("by", [100, -100, 1, -1, 3_000_000, 40_000_000])
def test_a_sound_head_with_a_wrong_size(world: World, by: int) -> None:
    """What a version before put on the word of a damaged LIST; neither a writer nor a pass keeps it."""
    head = Head.decode(world.objects[head_key("main")], "main")
    assert head is not None
    for number, file in enumerate(head.files):
        files = list(head.files)
        files[number] = replace(file, size=max(1, file.size + by))
        world.check(head_key("main"), replace(head, files=tuple(files)).encode("main"))
        world.clock.time += LEASE_SECONDS + 1
        assert world.maintain() == ""
        after = Head.decode(world.store.get(head_key("main")), "main")
        sizes = {info.key: info.size for info in world.store.list_objects("main/")}
        assert after is not None
        assert [file.size for file in after.files] == [sizes[file.name.key("main")] for file in after.files]
        world.restore()


@pytest.mark.long
def test_bytes_all_over_the_large_ones(world: World) -> None:
    for key in (key for key in world.advisory if key not in SMALL):
        body = world.objects[key]
        for at in [*range(64), *range(64, len(body), len(body) // 10), len(body) - 1]:
            world.check(key, flipped(body, 8 * at + at % 8))
            world.restore()


def test_each_bit_of_the_large_ones_where_they_are_decoded(world: World) -> None:
    for key in (key for key in world.advisory if key not in SMALL):
        body, name = world.objects[key], parse_page_map_key("main", key)
        step = max(1, 8 * len(body) // 20_000)  # all of them where there are fewer
        for bit in [*range(8 * 64), *range(8 * 64, 8 * len(body), step)]:
            damaged = flipped(body, bit)
            if name is None:
                assert atlas.decode(damaged, "main") == {}
            else:
                with pytest.raises(BadPageMap):
                    PageMap.decode(unbind(damaged, name, "main"))


def test_cut_and_emptied(world: World) -> None:
    for key in world.advisory:
        body = world.objects[key]
        for part in (b"", body[:1], body[: len(body) // 2], body[:-1], body + b"\n", body + body):
            world.check(key, part)
            world.restore()


def test_at_each_others_keys(world: World) -> None:
    """Also those of a database that has files of the same names and lengths."""
    bodies = [world.objects[key] for key in world.advisory]
    bodies += [body for key, body in world.strangers.items() if parse_ltx_key("other", key) is None]
    for key in world.advisory:
        for body in bodies:
            world.check(key, body)
            world.restore()


def test_a_copy_that_slept_meets_them_all_damaged(world: World) -> None:
    writer = world.engine()
    writer.write("UPDATE t SET v = 'later' WHERE n = 1700")
    for key in world.advisory:
        world.store.put(key, flipped(world.store.get(key), 77))
    world.clock.time += RETENTION_FLOOR_SECONDS
    world.slept.replica.refresh()
    assert world.slept.rows(ROW) == [("later", 1200)]
    writer.close()


# What is bound to what


MAP = b"SLPM and so on"


def test_a_map_is_bound_to_its_file_and_database() -> None:
    body = bind(MAP, snapshot(5), "main")
    assert unbind(body, snapshot(5), "main") == MAP
    for name, database in ((snapshot(6), "main"), (LtxName(2, 1, 5), "main"), (snapshot(5), "mainly")):
        assert unbind(body, name, database) == b""
    assert unbind(MAP, snapshot(5), "main") == MAP  # as it was put before


def test_the_version_before_takes_a_bound_map_and_a_new_atlas_for_none() -> None:
    """What the code of commit e2673fc looks at first: the magic, and the checksum of all that follows."""
    for magic, body in (
        (b"SLPM", bind(MAP, snapshot(5), "main")),
        (b"SLAT", atlas.encode({snapshot(5): MAP}, "main")),
    ):
        assert body[:4] != magic
        assert body[4:8] != zlib.crc32(body[8:]).to_bytes(4, "little")


def test_an_atlas_of_the_version_before_is_none() -> None:
    body = atlas.encode({snapshot(5): MAP}, "main")[8:]
    assert atlas.decode(b"SLAT" + zlib.crc32(body).to_bytes(4, "little") + body, "main") == {}


def test_an_atlas_of_another_database_is_none() -> None:
    assert atlas.decode(atlas.encode({snapshot(5): MAP}, "main"), "branch") == {}


def test_a_map_of_another_length_is_none(world: World) -> None:
    key, name = next((key, name) for key in world.advisory if (name := parse_page_map_key("main", key)))
    file = HeadFile(name, len(world.objects[name.key("main")]), is_mapped=True)
    body = unbind(world.objects[key], name, "main")
    assert page_map_binding.decoded(body, file) is not None
    assert page_map_binding.decoded(body, HeadFile(name, file.size + 1, is_mapped=True)) is None
