"""Maps of files that have none: made within the time there is, in bounded memory, and on from where a pass stopped."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lambda_handlers.log import Log
from lambda_handlers.storage import log_follower
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import snapshot, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import Encoder, encode_ltx
from lambda_handlers.storage.pages import page_map_builder, stored_page_map
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import unbind
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.storage.pages.stored_page_map import MAX_WAIT_SECONDS, Mapper, NotMapped
from lambda_handlers.storage.upkeep import compaction, maintenance
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

NAME = transaction(1)
KEY = NAME.key("main")
RANGE_BYTES = 4096


def database_file(rows: int = 4000) -> bytes:
    """An LTX file with trees of some levels in it."""
    import apsw

    connection = apsw.Connection(":memory:")
    connection.execute(
        "PRAGMA page_size = 512; CREATE TABLE t (id INTEGER PRIMARY KEY, body); CREATE INDEX i ON t (body)"
    )
    connection.executemany("INSERT INTO t (body) VALUES (?)", ((f"row number {n:09d}",) for n in range(rows)))
    data = connection.serialize("main")
    connection.close()
    pages = [data[at : at + 512] for at in range(0, len(data), 512)]
    header = Header(512, len(pages), 1, 1, 1_700_000_000_000, node_id=7)
    return encode_ltx(header, [(Pgno(number), page) for number, page in enumerate(pages, start=1)])


BODY = database_file()
PAGES = list(Decoder([BODY], KEY).pages())
FILE = HeadFile(NAME, len(BODY), is_mapped=False)


def whole_map(body: bytes = BODY) -> PageMap:
    decoder = Decoder([body], KEY)
    builder = PageMapBuilder(decoder.header)
    for frame in decoder.frames():
        builder.add(frame)
    return builder.build(decoder.length)


class Slow(FaultyStore):
    """Each range takes its time."""

    def __init__(self, store: ObjectStore, clock: Clock, bytes_per_second: float) -> None:
        super().__init__(store)
        self._clock = clock
        self.bytes_per_second = bytes_per_second
        self.read_bytes = 0

    def get_range(self, key: str, start: int, length: int) -> bytes:
        body = super().get_range(key, start, length)
        self.read_bytes += len(body)
        self._clock.time += len(body) / self.bytes_per_second
        return body


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Slow:
    made = Slow(memory_store(), clock, 1e12)
    made.create(KEY, BODY)
    return made


@pytest.fixture
def mapper(store: Slow, clock: Clock) -> Mapper:
    return Mapper(store, "main", clock.host(), RANGE_BYTES)


def test_a_map_is_what_reading_the_file_at_once_gives(mapper: Mapper) -> None:
    assert len(BODY) > 20 * RANGE_BYTES
    assert mapper.make(FILE) == (whole_map(), True)


def test_a_file_that_would_take_too_long_is_not_begun(mapper: Mapper, store: Slow, clock: Clock) -> None:
    huge = HeadFile(NAME, 10 << 30, is_mapped=False)
    store.calls.clear()
    with pytest.raises(NotMapped, match="no page map") as caught:
        mapper.make(huge, clock.time + 10)
    assert store.calls == []
    assert (caught.value.code, caught.value.details) == ("store_error", {"key": KEY, "applied": "no"})
    assert "in about 18 minutes" in caught.value.hint  # a quarter of an hour until the pass, and three for 10 GiB


def test_a_file_that_takes_too_long_is_given_up_early(mapper: Mapper, store: Slow, clock: Clock) -> None:
    """By what the first ranges took, long before the time is up."""
    store.bytes_per_second = len(BODY) / 100
    started = clock.time
    with pytest.raises(NotMapped):
        mapper.make(FILE, clock.time + 50)
    assert clock.time - started < 30


def test_time_that_passes_between_two_ranges_counts(mapper: Mapper, store: Slow, clock: Clock) -> None:
    """What was fast at first and stops then ends with the deadline, too."""
    deadline = clock.time + 1

    def stand_still(_key: str, act_: Callable[[], Any]) -> Any:
        clock.time += 2
        return act_()

    store.plan("get_range", *[lambda _key, act_: act_()] * 6, stand_still)
    with pytest.raises(NotMapped):
        mapper.make(FILE, deadline)
    assert store.read_bytes < len(BODY) / 2


def test_who_comes_second_takes_the_map_of_who_came_first(mapper: Mapper, store: Slow, clock: Clock) -> None:
    store.bytes_per_second = len(BODY) / 100

    def another_puts_it(_key: str, act_: Callable[[], Any]) -> Any:
        store.create(NAME.page_map_key("main"), whole_map().encode())
        return act_()

    store.plan("get_range", *[lambda _key, act_: act_()] * 5, another_puts_it)
    assert mapper.make(FILE) == (whole_map(), False)
    assert store.read_bytes < len(BODY) / 3


def test_a_short_range_is_asked_for_again(mapper: Mapper, store: Slow) -> None:
    store.plan("get_range", lambda _key, act_: act_()[:-1])
    assert mapper.make(FILE) == (whole_map(), True)


def test_bytes_that_were_damaged_and_expand_to_the_same_page_make_no_map(mapper: Mapper, store: Slow) -> None:
    """LZ4 has several blocks for one page. The file's checksum does not see that, and the map would be of none."""
    harmless = list(islice((bit for bit in range(800, 8 * len(BODY)) if expands_to_the_same(flipped(BODY, bit))), 3))
    for bit in harmless:

        def damage(_key: str, act_: Callable[[], Any], bit: int = bit) -> Any:
            return flipped(act_(), bit)

        store.plan("get_range", damage)
        with pytest.raises(SldbError, match="read again") as caught:
            mapper.make(FILE)
        assert caught.value.code == "store_error"
        store.forget_plans()
        assert mapper.make(FILE) == (whole_map(), True)
        store.put(KEY, flipped(BODY, bit))  # damaged where it lies, it is as good as before, and the map is of it
        assert mapper.make(FILE) == (whole_map(flipped(BODY, bit)), True)
        store.put(KEY, BODY)


def expands_to_the_same(body: bytes) -> bool:
    try:
        return list(Decoder([body], KEY).pages()) == PAGES
    except SldbError:
        return False


def flipped(body: bytes, bit: int) -> bytes:
    result = bytearray(body)
    result[bit // 8] ^= 1 << bit % 8
    return bytes(result)


def test_a_pass_goes_on_where_the_last_one_stopped(mapper: Mapper, store: Slow, clock: Clock) -> None:
    made, calls = None, 0
    while made is None:
        made = mapper.resume(FILE, deadline=clock.time)  # time for one range
        calls += 1
    assert calls > 15
    assert made == whole_map()
    assert store.read_bytes < 5 * len(BODY)  # several ranges are on their way when a pass ends


def test_a_pass_that_is_killed_has_kept_how_far_it_came(mapper: Mapper, store: Slow, clock: Clock) -> None:
    store.bytes_per_second = len(BODY) / 200  # progress is kept each minute
    store.plan("get_range", *[lambda _key, act_: act_()] * (len(BODY) // RANGE_BYTES // 2))

    def die(_key: str, _act: object) -> Any:
        raise KeyboardInterrupt

    store.plan("get_range", die)
    with pytest.raises(KeyboardInterrupt):
        mapper.resume(FILE, clock.time + 1000)
    store.forget_plans()
    store.read_bytes = 0
    assert mapper.resume(FILE, clock.time + 1000) == whole_map()
    assert store.read_bytes < len(BODY) * 0.8


def half_done(mapper: Mapper, clock: Clock) -> bytes:
    for _ in range(8):
        assert mapper.resume(FILE, deadline=clock.time) is None
    return mapper.store.get(NAME.map_progress_key("main"))


def test_progress_that_is_damaged_is_none(mapper: Mapper, store: Slow, clock: Clock) -> None:
    body = half_done(mapper, clock)
    for bit in [*range(0, 8 * 140, 61), *Random(9).sample(range(8 * len(body)), 20)]:
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        store.put(NAME.map_progress_key("main"), bytes(damaged))
        assert mapper.resume(FILE, clock.time + 900) == whole_map()
    for cut in (0, 7, 100, len(body) - 1):
        store.put(NAME.map_progress_key("main"), body[:cut])
        assert mapper.resume(FILE, clock.time + 900) == whole_map()


def literal_file(changed: bytes = b"") -> bytes:
    """As long whatever is in it."""
    encoder, chance = Encoder(Header(512, 200, 1, 1, 0)), Random(2)
    pages = [chance.randbytes(512) for _ in range(200)]
    pages[4] = changed + pages[4][len(changed) :]
    frames = (ltx.literal(Pgno(number), page) for number, page in enumerate(pages, start=1))
    return b"".join((encoder.begin(), *map(encoder.add, frames), encoder.finish()))


def test_progress_of_another_file_of_that_name_ends_with_the_checksum(
    mapper: Mapper, store: Slow, clock: Clock
) -> None:
    one, other = literal_file(), literal_file(b"changed")
    file = HeadFile(NAME, len(one), is_mapped=False)
    store.put(KEY, one)
    assert [mapper.resume(file, deadline=clock.time) for _ in range(8)] == [None] * 8
    store.put(KEY, other)
    with pytest.raises(SldbError, match="file checksum"):
        mapper.resume(file, clock.time + 900)
    assert mapper.resume(file, clock.time + 900) == whole_map(other)


def test_a_range_that_was_damaged_on_its_way_does_not_stay_in_what_is_kept(
    mapper: Mapper, store: Slow, clock: Clock
) -> None:
    body = literal_file()
    store.put(KEY, body)
    file = HeadFile(NAME, len(body), is_mapped=False)
    store.bytes_per_second = len(body) / 300  # progress is kept each minute

    def damage(_key: str, act_: Callable[[], Any]) -> Any:
        return flipped(act_(), 8 * 2000)

    store.plan("get_range", damage)
    with pytest.raises(SldbError, match="file checksum"):
        mapper.resume(file, clock.time + 900)
    assert mapper.resume(file, clock.time + 900) == whole_map(body)


def test_a_damaged_file_is_told_also_when_it_was_mapped_in_pieces(mapper: Mapper, store: Slow, clock: Clock) -> None:
    damaged = bytearray(literal_file())
    damaged[len(damaged) // 3] ^= 4
    store.put(KEY, bytes(damaged))
    file = HeadFile(NAME, len(damaged), is_mapped=False)
    assert [mapper.resume(file, deadline=clock.time) for _ in range(8)] == [None] * 8
    with pytest.raises(SldbError) as caught:
        mapper.resume(file, clock.time + 900)
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", KEY)


def test_upper_pages_that_are_too_many_are_let_go_from_the_lowest_level(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {pgno for pgno, _ in whole_map().carried}
    monkeypatch.setattr(page_map_builder, "KEPT_BYTES", 4000)
    kept = {pgno for pgno, _ in whole_map().carried}
    assert {1, 2, 3} <= kept < every


@pytest.mark.parametrize("resumed", [False, True])
def test_mapping_takes_a_bounded_part_of_memory(tmp_path: Path, resumed: bool) -> None:
    size, page = 320 << 20, Random(1).randbytes(65536)
    header = Header(65536, size // 65536, 1, 1, 0)

    def pieces() -> Iterator[bytes]:
        encoder = Encoder(header)
        yield encoder.begin()
        for number in range(1, header.commit + 1):
            yield encoder.add(ltx.compressed(Pgno(number), number.to_bytes(8, "big") + page[8:]))
        yield encoder.finish()

    store = DirectoryStore(tmp_path)
    store.create_from(KEY, pieces())
    clock = Clock()
    mapper, file = Mapper(store, "main", clock.host()), HeadFile(NAME, store.size(KEY), is_mapped=False)
    assert file.size > 300 << 20
    tracemalloc.start()
    try:
        if resumed:
            assert mapper.resume(file, clock.time) is None
            made = mapper.resume(file, clock.time + 900)
        else:
            made = mapper.make(file)[0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made is not None
    assert made.page_count == header.commit
    assert peak < 48 << 20


# What requests and passes do with such a file


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
    monkeypatch.setattr(log_follower, "UNMAPPED_BYTES", 1 << 20)
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
