"""The mapping of a large file: in time, in pieces, and never of damaged bytes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import Encoder, encode_ltx
from lambda_handlers.storage.pages import page_map_builder
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.not_mapped import NotMapped
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.storage.pages.stored_page_map import Mapper
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.slow import Slow

RANGE_BYTES = 4096
NAME = transaction(1)
KEY = NAME.key("main")


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


@pytest.mark.long
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
