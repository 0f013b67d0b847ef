"""What a pass deletes when dates are wrong: any digit of any date in a LIST, of a header, by a clock or at rest."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace
from datetime import datetime, timezone
from io import StringIO
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import LtxName, snapshot, transaction
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.partial_listing import END, WHOLE, has_run
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.removal import MAX_DELETES, MAX_LOOKUPS, Listing, Removal
from lambda_handlers.storage.upkeep.retention import FLOOR_SECONDS
from lambda_handlers.store.protocol import NotFound, ObjectInfo
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import SldbError
from tests.fakes.immediate_call import ImmediateCall

DAY = 86_400
NOW = 1_800_000_000.0


class Store:
    """Files with the dates that they have and the times in their headers, and what it is asked."""

    def __init__(self, dates: dict[LtxName, float]) -> None:
        self.dates = {name.key("main"): date for name, date in dates.items()}
        singles = sorted((name.max_txid, date) for name, date in dates.items() if name.level == 0)
        latest = [0.0, *accumulate((date for _, date in singles), max)]  # of so many transactions
        self.headers = {name.key("main"): latest[bisect_right(singles, (name.max_txid, math.inf))] for name in dates}
        self.names = {name.key("main"): name for name in dates}
        self.deleted: list[str] = []
        self.asked: list[str] = []

    def info(self, key: str) -> ObjectInfo:
        self.asked.append("info")
        if key not in self.dates:
            raise NotFound(key)
        return ObjectInfo(key, 100, self.dates[key])

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.asked.append("get_range")
        if key not in self.names:
            raise NotFound(key)
        name = self.names[key]
        return Header(512, 1, name.min_txid, name.max_txid, int(self.headers[key] * 1000)).encode()[
            start : start + length
        ]

    def delete_many(self, keys: list[str]) -> None:
        self.asked.append("delete_many")
        self.deleted += keys


def listing(written_at: dict[LtxName, float], store_time: float = NOW, own: float = NOW, **others: object) -> Listing:
    return replace(Listing(written_at, {}, {}, store_time, (own, own + 1), own + 2), **others)  # type: ignore[arg-type]


def remove(store: Store, shown: Listing, retained: float, warnings: list[str] | None = None) -> set[LtxName]:
    stream = StringIO()
    log = Log("warning", stream)
    try:
        return Removal(store, "main", Host(start=ImmediateCall), log, shown).run(retained)  # type: ignore[arg-type]  # the verbs it uses
    finally:
        (warnings if warnings is not None else []).append(stream.getvalue())


@st.composite
def logs(draw: st.DrawFn) -> dict[LtxName, float]:
    """Transactions that came one after the other, and compacted files, each made after its last transaction; what an
    earlier pass removed is gone."""
    newest = draw(st.integers(1, 30))
    pauses = draw(st.lists(st.integers(0, DAY // 2), min_size=newest, max_size=newest))
    written, moment = dict[LtxName, float](), NOW - sum(pauses) - draw(st.integers(0, DAY))
    at = []
    for txid, pause in enumerate(pauses, start=1):
        moment += pause
        at.append(moment)
        written[transaction(txid)] = moment
    for _ in range(draw(st.integers(0, 8))):
        high = draw(st.integers(1, newest))
        level = draw(st.sampled_from([1, 2, 9]))
        low = 1 if level == 9 or draw(st.booleans()) else draw(st.integers(1, high))
        written[LtxName(level, low, high)] = draw(st.integers(int(at[high - 1]), int(NOW)))
    earlier = NOW - draw(st.integers(0, 2 * DAY))
    seen = {name: date for name, date in written.items() if date <= earlier}
    for name in sorted(retention.reasons(seen, earlier, draw(st.integers(0, DAY)))):
        del written[name]
    return written


@st.composite
def wrong_dates(draw: st.DrawFn, date: float) -> float:
    """Another digit somewhere in the text of a date, as S3 sends it."""
    text = datetime.fromtimestamp(date, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    at = draw(st.sampled_from([place for place, character in enumerate(text) if character.isdigit()]))
    text = text[:at] + draw(st.sampled_from("0123456789")) + text[at + 1 :]
    try:
        return datetime.fromisoformat(text + "+00:00").timestamp()
    except (ValueError, OverflowError):
        assume(False)
        raise


def check(written: dict[LtxName, float], gone: set[LtxName], retained: float) -> None:
    """By the true dates: nothing young went, and what is promised can be read."""
    left = written.keys() - gone
    for name in gone:
        assert written[name] <= NOW - FLOOR_SECONDS, name
    assert chain.plan(left).reach == max(name.max_txid for name in written)
    before, after = chain.readable(written), chain.readable(left)
    base = retention.needed_base(written, NOW, retained)
    for txid in before - after:
        assert base is not None
        assert txid < base.max_txid
    for name in gone:  # what makes it unnecessary is old
        others = [other for other in left if other.min_txid <= name.min_txid and name.max_txid <= other.max_txid]
        leads = chain.plan([one for one, date in written.items() if date <= NOW - FLOOR_SECONDS and one in left])
        assert others or leads.reach >= name.max_txid


@given(logs(), st.integers(0, 3 * DAY))
def test_what_may_go_goes(written: dict[LtxName, float], retained: int) -> None:
    gone = remove(Store(written), listing(written), retained)
    assert gone == set(retention.reasons(written, NOW, retained))
    check(written, gone, retained)


@pytest.mark.long
@settings(max_examples=settings().max_examples * 2, suppress_health_check=list(HealthCheck))
@given(st.data(), logs(), st.integers(0, 3 * DAY))
def test_one_wrong_date_in_a_list(data: st.DataObject, written: dict[LtxName, float], retained: int) -> None:
    struck = data.draw(st.sampled_from(sorted(written)))
    shown = written | {struck: data.draw(wrong_dates(written[struck]))}
    check(written, remove(Store(written), listing(shown), retained), retained)


@pytest.mark.long
@settings(max_examples=settings().max_examples * 2, suppress_health_check=list(HealthCheck))
@given(st.data(), logs(), st.integers(0, 3 * DAY))
def test_one_wrong_date_that_lies_there(data: st.DataObject, written: dict[LtxName, float], retained: int) -> None:
    """As where a tool touched a file of a directory. Compacted files have no second fact then: of them only the base
    is proof, because its transactions tell."""
    struck = data.draw(st.sampled_from(sorted(written)))
    assume(struck.level == 0 or struck == retention.needed_base(written, NOW, retained))
    wrong = data.draw(wrong_dates(written[struck]))
    store = Store(written)
    store.dates[struck.key("main")] = wrong
    gone = remove(store, listing(written | {struck: wrong}), retained)
    left = written.keys() - gone
    assert all(written[name] <= NOW - FLOOR_SECONDS for name in gone)
    assert chain.plan(left).reach == max(name.max_txid for name in written)


@settings(suppress_health_check=list(HealthCheck))
@given(logs(), st.integers(0, 3 * DAY), st.data())
def test_one_wrong_header(written: dict[LtxName, float], retained: int, data: st.DataObject) -> None:
    store = Store(written)
    key = data.draw(st.sampled_from(sorted(store.headers)))
    store.headers[key] = data.draw(st.integers(0, int(2 * NOW)).map(float))
    check(written, remove(store, listing(written), retained), retained)


@pytest.mark.long
@settings(max_examples=settings().max_examples, suppress_health_check=list(HealthCheck))
@given(logs(), st.integers(0, 3 * DAY), st.data())
def test_a_wrong_date_of_the_lease(written: dict[LtxName, float], retained: int, data: st.DataObject) -> None:
    """Which tells the store's time: with one digit of it a pass had deleted 86 files that were seconds old."""
    gone = remove(Store(written), listing(written, data.draw(wrong_dates(NOW))), retained)
    check(written, gone, retained)


@pytest.mark.long
@settings(max_examples=settings().max_examples, suppress_health_check=list(HealthCheck))
@given(logs(), st.integers(0, 3 * DAY), st.data())
def test_one_name_that_is_another(written: dict[LtxName, float], retained: int, data: st.DataObject) -> None:
    """A snapshot that seems to reach further than it does would let go of what it does not have."""
    struck = data.draw(st.sampled_from(sorted(written)))
    other = replace(struck, max_txid=data.draw(st.integers(struck.min_txid, 40)))
    shown = {other if name == struck else name: date for name, date in written.items()}
    assume(len(shown) == len(written))
    gone = remove(Store(written), listing(shown), retained)
    assert chain.plan(written.keys() - gone).reach == max(name.max_txid for name in written)


# A long log, of which not all is listed

Runs = tuple[tuple[int, int], ...]


@st.composite
def partial_logs(draw: st.DrawFn) -> tuple[dict[LtxName, float], Runs]:
    """A log, and the transactions of its listing: the oldest ones, and those from one on."""
    written = draw(logs())
    newest = max(name.max_txid for name in written)
    first = draw(st.integers(1, newest))
    return written, ((0, first), (draw(st.integers(first + 1, newest + 1)), END))


def part_of(written: dict[LtxName, float], listed: Runs) -> dict[LtxName, float]:
    return {
        name: date for name, date in written.items() if name.level or has_run(listed, name.max_txid, name.max_txid + 1)
    }


@settings(suppress_health_check=list(HealthCheck))
@given(partial_logs(), st.integers(0, 3 * DAY))
def test_what_was_listed_and_may_go_goes(log: tuple[dict[LtxName, float], Runs], retained: int) -> None:
    written, listed = log
    gone = remove(Store(written), listing(part_of(written, listed), listed=listed), retained)
    check(written, gone, retained)
    base = retention.needed_base(written, NOW, retained)
    below = {name for name, why in retention.reasons(written, NOW, retained).items() if why == base}
    assert gone >= below & part_of(written, listed).keys()


@pytest.mark.long
@settings(max_examples=settings().max_examples, suppress_health_check=list(HealthCheck))
@given(st.data(), partial_logs(), st.integers(0, 3 * DAY))
def test_one_wrong_date_in_a_part_of_a_list(
    data: st.DataObject, log: tuple[dict[LtxName, float], Runs], retained: int
) -> None:
    written, listed = log
    shown = part_of(written, listed)
    assume(shown)
    struck = data.draw(st.sampled_from(sorted(shown)))
    shown[struck] = data.draw(wrong_dates(written[struck]))
    check(written, remove(Store(written), listing(shown, listed=listed), retained), retained)


def test_a_base_is_no_older_than_a_transaction_that_was_not_listed() -> None:
    """Its date is wrong in the store, and a clock had set its header back."""
    written = {transaction(txid): NOW - 100 + txid for txid in range(1, 91)} | {snapshot(86): NOW - 9 * DAY}
    store = Store(written)
    store.headers[snapshot(86).key("main")] = NOW - 9 * DAY
    listed = ((0, 20), (88, END))
    shown = {name: date - 9 * DAY if name.max_txid < 20 else date for name, date in part_of(written, listed).items()}
    assert remove(store, listing(shown, listed=listed), DAY) == set()
    assert remove(Store(OLD), listing(part_of(OLD, listed), listed=listed), DAY) != set()


def test_a_fold_stays_if_its_last_transaction_has_no_file() -> None:
    """As in a copy: only the fold leads to the state at its end."""
    fold, cover = LtxName(1, 51, 60), LtxName(2, 51, 70)
    written = {snapshot(50): NOW - DAY, fold: NOW - DAY, cover: NOW - DAY}
    written |= {transaction(txid): NOW - DAY for txid in (1, *range(61, 91))}
    listed = ((0, 2), (80, END))
    shown = listing(part_of(written, listed), listed=listed)
    assert remove(Store(written), shown, FLOOR_SECONDS) == {transaction(1)}
    whole = written | {transaction(txid): NOW - DAY for txid in range(51, 61)}
    assert remove(Store(whole), shown, FLOOR_SECONDS) == {transaction(1), fold}


@pytest.mark.parametrize("listed", [WHOLE, ((0, 2), (80, END))], ids=["whole", "part"])
def test_between_snapshots_a_file_stays_if_its_last_transaction_has_none(listed: Runs) -> None:
    files = {snapshot(50), LtxName(1, 51, 60), LtxName(1, 61, 70), snapshot(75), snapshot(90)}
    written = dict.fromkeys([*files, *map(transaction, (1, *range(61, 91)))], NOW - DAY)
    shown = listing(part_of(written, listed), listed=listed)
    assert remove(Store(written), shown, 9 * DAY) == {LtxName(1, 61, 70), snapshot(75)}


# By hand

OLD = {transaction(txid): NOW - 9 * DAY + txid for txid in range(1, 87)} | {snapshot(86): NOW - 8 * DAY}
YOUNG = {name: NOW - 10 + name.max_txid / 100 for name in OLD}


def test_a_lease_that_is_dated_a_year_ahead_lets_nothing_go() -> None:
    warnings: list[str] = []
    assert remove(Store(YOUNG), listing(YOUNG, NOW + 365 * DAY), 0, warnings) == set()
    assert "nothing_removed" in warnings[0]


@pytest.mark.parametrize("ahead", [-600, -SKEW_SECONDS - 1, SKEW_SECONDS + 2, 600, 3600])
def test_clocks_that_differ_by_minutes_let_nothing_go(ahead: float) -> None:
    assert remove(Store(OLD), listing(OLD, NOW + ahead), DAY) == set()
    assert remove(Store(OLD), listing(OLD), DAY) != set()


def test_of_two_clocks_the_earlier_counts() -> None:
    edge = dict.fromkeys(OLD, NOW - FLOOR_SECONDS - 5)
    assert remove(Store(edge), listing(edge), 0) != set()
    assert remove(Store(edge), listing(edge, own=NOW - 20), 0) == set()
    assert remove(Store(edge), listing(edge, store_time=NOW - 20), 0) == set()


@pytest.mark.parametrize("kind", ["file", "map", "upload"])
def test_a_date_to_come_lets_nothing_go(kind: str) -> None:
    to_come = NOW + 3 * SKEW_SECONDS
    shown = listing(
        OLD | ({transaction(87): to_come} if kind == "file" else {}),
        page_maps={"m": (transaction(86), to_come)} if kind == "map" else {},
        uploads={"u": to_come} if kind == "upload" else {},
    )
    assert remove(Store(OLD), shown, DAY) == set()


def test_a_base_whose_header_is_younger_is_none() -> None:
    """All dates of a directory may have been set back by what copied it."""
    touched = dict.fromkeys(OLD, 1.0)
    store = Store(touched)
    store.headers = dict.fromkeys(store.headers, NOW - 3600 * 5)
    assert remove(store, listing(touched), 30 * DAY) == set()
    store.headers = dict.fromkeys(store.headers, NOW - 31 * DAY)
    assert remove(store, listing(touched), 30 * DAY) != set()


def test_a_writer_whose_clock_was_years_ahead_does_not_keep_all_for_ever() -> None:
    store = Store(OLD)
    store.headers = dict.fromkeys(store.headers, NOW + 900 * DAY)
    assert remove(store, listing(OLD), DAY) != set()


def test_a_base_of_which_only_the_list_says_that_it_is_old_is_none() -> None:
    """The object itself says otherwise: one of the two answers was damaged."""
    store = Store(OLD)
    store.dates[snapshot(86).key("main")] = NOW - 60
    warnings: list[str] = []
    assert remove(store, listing(OLD), DAY, warnings) == set()
    assert snapshot(86).key("main") in warnings[0]


def test_a_base_that_is_damaged_is_told() -> None:
    store = Store(OLD)
    store.get_range = lambda key, start, length: bytes(length)  # type: ignore[method-assign]  # a fake of a fake
    with pytest.raises(SldbError, match="0009"):
        remove(store, listing(OLD), DAY)
    assert store.deleted == []


def test_a_base_that_seems_younger_does_not_go_by_what_covers_it() -> None:
    """Below it level 0 is gone: it is the only way to the transactions behind it."""
    base, cover, older = LtxName(1, 1, 32), LtxName(2, 1, 64), LtxName(1, 1, 16)
    written = {transaction(txid): NOW - 3 * DAY + txid for txid in range(33, 66)}
    written |= {older: NOW - 30 * DAY, base: NOW - 20 * DAY, cover: NOW - 2 * DAY}
    store = Store(written)
    store.headers[base.key("main")] = NOW - 4 * DAY  # its writer's clock was ahead
    assert remove(store, listing(written), 10 * DAY) == set()
    assert remove(store, listing(written | {base: NOW - 5 * DAY}), 10 * DAY) == set()
    assert remove(Store(written), listing(written), 10 * DAY) == {older}


def test_ten_thousand_files_take_a_handful_of_requests() -> None:
    many = {transaction(txid): NOW - 9 * DAY + txid / 100 for txid in range(1, 10_002)} | {
        snapshot(10_001): NOW - 8 * DAY
    }
    store = Store(many)
    assert len(remove(store, listing(many), DAY)) == MAX_DELETES
    assert sorted(store.asked) == ["delete_many", "get_range", "info"]


def test_compacted_files_go_by_and_by() -> None:
    many = {LtxName(1, txid, txid + 1): NOW - 9 * DAY for txid in range(1, MAX_LOOKUPS + 100)}
    many |= {transaction(txid): NOW - 9 * DAY for txid in range(1, MAX_LOOKUPS + 101)}
    many[snapshot(MAX_LOOKUPS + 100)] = NOW - 8 * DAY
    store = Store(many)
    gone = remove(store, listing(many), DAY)
    assert store.asked.count("info") == MAX_LOOKUPS
    assert len([name for name in gone if name.level]) == MAX_LOOKUPS - 1
    left = {name: date for name, date in many.items() if name not in gone}
    assert len(remove(Store(left), listing(left), DAY)) == len(left) - 1


def test_parts_of_pushes_and_lonely_maps_are_asked_for_once_more() -> None:
    store = Store(OLD)
    store.dates |= {"new": NOW - 10, "old": NOW - 2 * DAY, "map": NOW - 10, "old map": NOW - 2 * DAY}
    shown = listing(
        {snapshot(86): NOW - 8 * DAY},
        uploads={"new": NOW - 9 * DAY, "old": NOW - 2 * DAY, "gone": NOW - 2 * DAY},
        page_maps={"map": (transaction(900), NOW - 9 * DAY), "old map": (transaction(901), NOW - 2 * DAY)},
    )
    remove(store, shown, DAY)
    assert sorted(store.deleted) == ["old", "old map"]
