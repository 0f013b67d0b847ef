from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.host import Host
from lambda_handlers.storage.log import timeline
from lambda_handlers.storage.log.dated_files import DatedFile, DatedFiles
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.log.timeline import BLOCK, MAX_EXACT_TIMES, MAX_HEADERS
from lambda_handlers.store.protocol import NotFound, ObjectInfo
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

YEAR = 365 * 86_400
NOW = 1_700_000_000  # unix seconds: of the first transaction, mostly
STEPPED = (0, 60, 120, 7200, 240, 300, 360)  # as Litestream wrote them while its host's clock took one step


class Dated:
    """A store that dates its objects as it is told, and counts the headers that are read."""

    def __init__(self) -> None:
        self.store = FaultyStore(memory_store())
        self.dates: dict[str, float] = {}

    def put(self, name: LtxName, made_at: float, dated_at: float) -> None:
        header = Header(512, 1, name.min_txid, name.max_txid, round(made_at * 1000))
        body = encode_ltx(header, [(Pgno(1), bytes(512))])
        self.store.store.create(name.key("main"), body)
        self.dates[name.key("main")] = float(int(dated_at))

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        for info in self.store.list_objects(prefix, after):
            yield replace(info, modified_at=self.dates[info.key])

    def info(self, key: str) -> ObjectInfo:
        return replace(self.store.info(key), modified_at=self.dates[key])

    def get(self, key: str) -> bytes:
        return self.store.get(key)

    def at(self, moment: float, now: float = NOW + 10 * YEAR) -> int:
        return self.find(moment, now).txid

    def find(self, moment: float, now: float = NOW + 10 * YEAR) -> timeline.Found:
        return timeline.find(self, Clock(now).host(), "main", round(moment * 1000))  # type: ignore[arg-type]  # what is used


def log(made: Sequence[float], dated: Sequence[float] | None = None) -> Dated:
    """Transactions made and dated at these seconds after NOW; all of them dated long after, where it is not said."""
    store = Dated()
    for txid, (made_at, dated_at) in enumerate(zip(made, dated or [YEAR] * len(made), strict=True), start=1):
        store.put(transaction(txid), NOW + made_at, NOW + dated_at)
    return store


@pytest.mark.parametrize(
    ("moment_ms", "txid"),
    [(0, 0), (999, 0), (1000, 1), (1999, 1), (2000, 2), (2999, 2), (3000, 5), (3001, 5), (4000, 6), (9999, 6),
     (10_000, 7), (1 << 60, 7)],
)  # fmt: skip
@pytest.mark.parametrize("dated", [None, (1, 2, 3, 3, 3, 4, 10)])
def test_the_newest_at_a_moment(dated: Sequence[float] | None, moment_ms: int, txid: int) -> None:
    """Three transactions in one millisecond, and some before and after."""
    store = log((1, 2, 3, 3, 3, 4, 10), dated)
    assert store.at(NOW + moment_ms / 1000) == txid


def test_no_database_has_no_past() -> None:
    assert Dated().at(NOW) == 0


# Steps of the clock


@pytest.mark.parametrize("dated", [None, tuple(range(0, 7 * 60, 60))], ids=["copied", "dated when they were made"])
@pytest.mark.parametrize(
    ("moment", "txid"), [(-1, 0), (0, 1), (119, 2), (120, 3), (179, 3), (240, 5), (300, 6), (360, 7), (400, 7),
                         (7199, 7), (7200, 7), (9000, 7)],
)  # fmt: skip
def test_one_step_ahead(dated: Sequence[float] | None, moment: float, txid: int) -> None:
    assert log(STEPPED, dated).at(NOW + moment) == txid


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 40, 300])
@pytest.mark.parametrize("ahead", [3600, 3 * YEAR])
def test_wherever_a_step_ahead_lies_the_other_transactions_are_found(length: int, ahead: float) -> None:
    """A clock is ahead for `length` transactions of 400, one a minute."""
    for begins in (0, 50, 100 - length // 3):
        stepped = range(max(0, begins), begins + length)
        made = [number * 60 + (ahead if number in stepped else 0) for number in range(400)]
        store = log(made, [number * 60 for number in range(400)])
        for number in (0, 49, 51, 99, 120, 398, 399):
            wanted = number + 1
            if number in stepped:  # its own time says nothing; the minute of the store's date decides
                wanted = min(stepped) if number - min(stepped) < 2 else number - 1
                assert wanted <= store.at(NOW + number * 60 + 1) <= number + 1
            else:
                assert store.at(NOW + number * 60 + 1) == wanted


@pytest.mark.parametrize("behind", [3600, 3 * YEAR])
def test_a_step_back_takes_no_moment_before_it_along(behind: float) -> None:
    made = [number * 90 - (behind if number == 30 else 0) for number in range(60)]
    store = log(made, [number * 90 for number in range(60)])
    assert [store.at(NOW + number * 90) for number in (1, 20, 29, 40, 59)] == [2, 21, 30, 41, 60]


def test_writes_of_today_behind_one_that_says_2029_are_not_dropped() -> None:
    """As versions before stamped them: no time before the one before it."""
    made, dated = [0, 60, *[3 * YEAR] * 5], [0, 60, 120, 180, 240, 300, 360]
    store, now = log(made, dated), NOW + 1000
    assert store.find(now, now) == timeline.Found(7, (NOW + 3 * YEAR) * 1000)
    assert store.at(now - 0.5, now) == 7
    assert [store.at(NOW + moment, now) for moment in (59, 60, 190, 250, 500)] == [1, 2, 3, 4, 7]
    assert store.at(NOW + 2 * YEAR, now) == 7  # the log itself ends in the future


def test_where_all_that_is_left_says_2029_the_dates_of_the_store_decide() -> None:
    store, now = log([3 * YEAR] * 4, [0, 600, 1200, 1800]), NOW + 5000
    assert [store.at(NOW + moment, now) for moment in (100, 700, 1900, 4000)] == [1, 2, 4, 4]


def test_times_that_are_all_ahead_of_the_dates_are_by_another_clock_and_decide_alone() -> None:
    store = log([600 + number * 60 for number in range(40)], [number * 60 for number in range(40)])
    assert [store.at(NOW + 600 + number * 60) for number in range(40)] == list(range(1, 41))


def test_now_is_the_newest_by_a_clock_that_is_behind_too() -> None:
    made = tuple(range(0, 420, 60))
    assert log(made, made).at(NOW + 100, now=NOW + 100) == 7


def test_a_clock_that_is_a_little_behind_finds_nothing_that_came_later() -> None:
    made = tuple(range(25))
    for moment in (-1, 0, 3, 24):
        assert log(made, made).at(NOW + moment, now=NOW - 1) == moment + 1
    assert log(made, made).at(NOW + 24.5, now=NOW + 24.4) == 25


def test_a_step_is_told() -> None:
    assert log(STEPPED).find(NOW + 400).descends_at == 5
    assert log(sorted(STEPPED)).find(NOW + 400).descends_at == 0


# Dates that are not those of the transactions


def test_a_copy_and_what_was_written_after_it() -> None:
    made = [number * 3600 for number in range(50)]
    store = log(made, [max(number * 3600, 20 * 3600) for number in range(50)])
    assert [store.at(NOW + moment + 1) for moment in made] == list(range(1, 51))


def test_a_long_step_in_a_copy() -> None:
    made = [number * 60 + (YEAR / 2 if 64 <= number < 144 else 0) for number in range(250)]
    store = log(made)
    assert [store.at(NOW + number * 60) for number in (0, 63, 100, 144, 200, 249)] == [1, 64, 64, 145, 201, 250]


def test_what_was_sent_hours_later_has_its_own_time() -> None:
    made = [number * 60 for number in range(300)]
    store = log(made, [max(moment, 200 * 60) for moment in made])
    assert [store.at(NOW + moment + 1) for moment in made[::7]] == list(range(1, 301, 7))


@pytest.mark.long
def test_one_date_that_is_wrong_misleads_nobody() -> None:
    for wrong, where in ((-YEAR, 50), (YEAR, 50), (-YEAR, 99), (YEAR, 99), (YEAR, 0), (-YEAR, 0)):
        made = list(range(0, 6000, 60))
        store = log(made, [wrong if number == where else moment for number, moment in enumerate(made)])
        assert [store.at(NOW + moment + 1) for moment in made] == list(range(1, 101))


def test_a_large_commit_is_dated_when_it_was_sent() -> None:
    assert log((0, 100, 500), (0, 400, 500)).at(NOW + 200) == 2


# Files of several transactions


@pytest.mark.parametrize("dated", [3, 5000])
def test_compacted_files_know_when_they_end(dated: float) -> None:
    store = log((1, 2, 3, 3, 3, 4, 10), (1, 2, 3, 3, 3, 4, 10))
    store.put(LtxName(9, 1, 5), NOW + 3, NOW + dated)
    for txid in (1, 2, 3, 4, 5):
        store.store.store.delete(transaction(txid).key("main"))

    assert [store.at(NOW + moment) for moment in (2.999, 3, 4, 10)] == [0, 5, 6, 7]


def test_files_that_end_alike_count_once() -> None:
    store = log((1, 2, 3), (1, 2, 3))
    for name in (LtxName(9, 1, 3), LtxName(1, 2, 3), LtxName(1, 1, 2)):
        store.put(name, NOW + name.max_txid, NOW + 900)

    assert [store.at(NOW + moment) for moment in (1.999, 2, 3, 500, 1000)] == [1, 2, 3, 3, 3]


# What a search costs


@pytest.mark.parametrize("count", [1000, 100_000])
@pytest.mark.parametrize("dates", ["its own", "of a copy", "of one second"])
def test_a_search_reads_few_headers(count: int, dates: str) -> None:
    """Of transactions ten seconds apart, or all within a second."""
    step = 0.001 if dates == "of one second" else 10
    files = [DatedFile(transaction(txid), 1, NOW + int(txid * step)) for txid in range(1, count + 1)]
    if dates == "of a copy":
        files = [replace(file, dated_at=NOW + YEAR) for file in files]
    read: list[int] = []

    class Counting(timeline._Search):
        def _time(self, file: DatedFile) -> int:
            read.append(file.name.max_txid)
            return round((NOW + file.name.max_txid * step) * 1000)

    for wanted in (1, 333, count // 2, count):
        read.clear()
        search = Counting(memory_store(), Clock().host(), "main", DatedFiles(files), NOW + 2 * YEAR)
        assert search.at(round((NOW + wanted * step) * 1000)).txid == wanted
        assert len(read) <= (2 * BLOCK if dates == "its own" else MAX_HEADERS)


@given(st.data())
def test_times_alone_are_as_good_as_a_look_at_each_while_there_are_few(data: st.DataObject) -> None:
    made = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=3 * BLOCK))
    moment = data.draw(st.integers(-1, 51))
    wanted = max((txid for txid, at in enumerate(made, start=1) if at <= moment), default=0)
    assert len(made) <= MAX_EXACT_TIMES
    assert log(made).at(NOW + moment) in (wanted, *([0] if min(made[:BLOCK]) > moment else []))


# What goes wrong


def test_a_damaged_header_is_named() -> None:
    store = log((1, 2, 3, 4))
    key = transaction(4).key("main")
    store.store.store.delete(key)
    store.store.store.create(key, b"rubbish")

    with pytest.raises(SldbError, match=key) as caught:
        store.at(NOW + 3)
    assert caught.value.code == "corrupt"


def test_what_disappears_meanwhile_is_the_stores_error() -> None:
    def gone(key: str, act: object) -> bytes:
        raise NotFound(key)

    store = log((1, 2, 3))
    store.store.plan("get", gone)
    with pytest.raises(NotFound):
        store.at(NOW + 3)


def test_every_moment_that_the_engine_wrote(
    engine: Callable[..., Engine], store: FaultyStore, clock: Clock, tmp_path: Path
) -> None:
    one, moments = engine(), {}
    one.write("CREATE TABLE t(n)")
    for n in range(2, 12):
        clock.time += 0.001 * (n % 3)  # some would share a millisecond
        one.write(f"INSERT INTO t VALUES ({n})")
        moments[one.replica.timestamp_ms] = n
    assert list(moments.values()) == list(range(2, 12))
    compact(store, LtxName(1, 2, 6), tmp_path)

    later = Host(now=lambda: clock.time + 1)
    assert {moment: timeline.find(store, later, "main", moment).txid for moment in moments} == moments
    assert timeline.find(Timed(store, clock), later, "none", 0).txid == 0  # type: ignore[arg-type]
