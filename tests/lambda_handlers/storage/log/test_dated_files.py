"""Moments of a log too long to be listed: found as in one listed whole, by few requests."""

from __future__ import annotations

from itertools import accumulate
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.storage.log import dated_files, partial_listing, timeline
from lambda_handlers.storage.log.keys import snapshot, transaction
from lambda_handlers.store.protocol import ObjectInfo
from tests.fakes.clock import Clock
from tests.fakes.stores.listed import ListedStore

NOW = 1_700_000_000  # unix seconds: of the first transaction
YEAR = 365 * 86_400
COUNT = 100_000


def at(store: ListedStore, moment: float, now: float = NOW + YEAR) -> int:
    return timeline.find(store, Clock(now).host(), "main", round(moment * 1000)).txid  # type: ignore[arg-type]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (partial_listing, dated_files):
        monkeypatch.setattr(module, "PAGE_KEYS", 20)


WRONG = st.sampled_from([-YEAR, YEAR, -20_000, 20_000]) | st.integers(-600, 600)  # seconds


@pytest.mark.long
@settings(max_examples=25)
@given(st.lists(st.integers(1, 400), min_size=100, max_size=300), st.data())
def test_one_wrong_date_misleads_no_search(pauses: list[int], data: st.DataObject) -> None:
    """But for the moment before a transaction whose file is dated too early: it counts as there by then. All files in
    one LIST show no more."""
    made = [NOW + moment for moment in accumulate(pauses)]
    dates = {transaction(txid): float(moment) for txid, moment in enumerate(made, start=1)}
    dates[snapshot(10)] = made[9] + 1.0
    struck, wrong = data.draw(st.integers(1, len(made))), data.draw(WRONG)
    store = ListedStore(dates)
    store.times = {name: made[name.max_txid - 1] for name in dates}
    key = transaction(struck).key("main")
    store.infos[key] = ObjectInfo(key, 200, made[struck - 1] + wrong)

    around = {struck + distance for distance in (-2, -1, 0, 1)} & set(range(1, len(made) + 1))
    for wanted in {data.draw(st.integers(1, len(made))), *around}:
        by_parts, at_once = (in_pages_of(keys, store, made[wanted - 1] + 0.5) for keys in (20, 1000))
        assert by_parts == at_once
        assert by_parts == wanted or (by_parts == struck == wanted + 1 and -600 <= wrong < 0)


def in_pages_of(keys: int, store: ListedStore, moment: float) -> int:
    store.page_keys = keys
    with patch.object(partial_listing, "PAGE_KEYS", keys), patch.object(dated_files, "PAGE_KEYS", keys):
        return at(store, moment)


@pytest.mark.usefixtures("small_pages")
@given(st.integers(50, 150), st.data())
def test_a_file_that_is_not_there_makes_it_list_all(count: int, data: st.DataObject) -> None:
    gone = data.draw(st.integers(2, count - 1))
    dates = {transaction(txid): NOW + txid * 100.0 for txid in range(1, count + 1) if txid != gone}
    dates[snapshot(count - 1)] = NOW + count * 100.0
    wanted = data.draw(st.integers(1, count).filter(lambda txid: txid not in (gone, count - 1)))
    assert at(ListedStore(dates, page_keys=20), NOW + wanted * 100 + 0.5) == wanted


def regular(txid: int) -> float:
    return float(NOW + txid * 10)


def in_bursts(txid: int) -> float:
    """A thousand transactions within seconds, then none for a day."""
    return float(NOW + txid // 1000 * 86_400 + txid % 1000 // 100)


def of_a_copy(txid: int) -> float:
    return float(NOW + max(txid, COUNT // 2) * 10)


def ever_faster(txid: int) -> float:
    return float(NOW + int(1e6 * (1 - 0.5 ** (txid / 5000))))


@pytest.mark.parametrize("dated", [regular, in_bursts, of_a_copy, ever_faster])
@pytest.mark.parametrize("wanted", [1, 333, COUNT // 3, COUNT // 2 + 7, COUNT - 1, COUNT])
def test_a_moment_of_a_long_log_takes_few_requests(dated: object, wanted: int) -> None:
    store = ListedStore({snapshot(COUNT - 1000): NOW}, range(1, COUNT + 1), dated)  # type: ignore[arg-type]
    moment = store.dated(wanted)
    last = next(txid for txid in range(wanted, COUNT + 2) if txid > COUNT or store.dated(txid) > moment) - 1
    if dated is of_a_copy:
        last = COUNT // 2 if wanted <= COUNT // 2 else wanted
    assert at(store, moment + 0.5) == last
    assert store.asked["LIST"] <= 6
    assert store.asked["HEAD"] <= 100
    assert store.asked["GET"] <= timeline.MAX_HEADERS
