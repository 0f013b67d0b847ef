"""Partial listings, compared with whole ones."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambda_handlers.storage.log import chain, partial_listing
from lambda_handlers.storage.log.keys import LtxName, snapshot, transaction
from lambda_handlers.storage.log.partial_listing import END, WHOLE, PartialListing, has_run
from tests.fakes.stores.listed import ListedStore

PAGE = 8


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_listing, "PAGE_KEYS", PAGE)


@st.composite
def logs(draw: st.DrawFn) -> set[LtxName]:
    """Transactions, some of the oldest gone, some compacted, some missing, and page maps."""
    newest = draw(st.integers(1, 60))
    names = {transaction(txid) for txid in range(draw(st.integers(1, newest)), newest + 1)}
    names -= draw(st.sets(st.sampled_from(sorted(names)), max_size=2))
    for _ in range(draw(st.integers(0, 6))):
        high = draw(st.integers(1, newest))
        level = draw(st.sampled_from([1, 2, 9]))
        names.add(LtxName(level, 1 if level == 9 else draw(st.integers(1, high)), high))
    return names


def partial(names: Iterable[LtxName], wanted: Iterable[int] = ()) -> PartialListing:
    names = list(names)
    maps = [name.page_map_key("main") for name in names if name.max_txid % 3 == 0]
    store = ListedStore(
        dict.fromkeys(names, 0.0), page_keys=PAGE, others=[*maps, "main/head.json", "main/atlas", "other/head.json"]
    )
    return PartialListing(store, "main", wanted=wanted)  # type: ignore[arg-type]  # the verb it uses


@given(logs(), st.data())
def test_a_chain_is_that_of_a_whole_listing(names: set[LtxName], data: st.DataObject) -> None:
    upto = data.draw(st.none() | st.integers(0, 70))
    start = data.draw(st.just(0) | st.integers(0, 60))
    listing = partial(names, data.draw(st.lists(st.integers(0, 70), max_size=2)))
    listing.list_chain(upto, start)

    usable = [name for name in names if not start or name.level != 9]
    found = chain.plan([name for name in listing.names if not start or name.level != 9], start, upto)
    assert found.files == chain.plan(usable, start, upto).files
    if upto is None and not start:
        assert found.newest == max((name.max_txid for name in names), default=0)


@given(logs(), st.integers(0, 60), st.integers(0, 60), st.lists(st.integers(0, 70), max_size=2))
def test_what_was_looked_for_is_shown(names: set[LtxName], one: int, other: int, wanted: list[int]) -> None:
    first, end = sorted((one, other))
    listing = partial(names, wanted)
    listing.list_run(first, end)

    assert listing.has(first, end)
    assert listing.names <= names
    assert {name for name in names if name.level or first <= name.min_txid < end} <= listing.names
    for start, stop in listing.listed:
        assert {name for name in names if not name.level and start <= name.min_txid < stop} <= listing.names
    assert {key for key in listing.objects if key.endswith(".pages")} >= {
        name.page_map_key("main") for name in listing.names if name.max_txid % 3 == 0
    }


@given(logs())
def test_the_newest_transaction_is_found(names: set[LtxName]) -> None:
    listing = partial(names)
    assert listing.list_newest() == max((name.max_txid for name in names), default=0)
    assert listing.has(max((name.max_txid for name in names), default=0), END)


@given(logs(), st.data())
def test_a_name_that_is_another_hides_no_chain(names: set[LtxName], data: st.DataObject) -> None:
    """A digit may be damaged in the answer: here a transaction seems to be a later one."""
    newest = max((name.max_txid for name in names), default=0)
    assume(transaction(newest) in names)
    struck = data.draw(st.sampled_from(sorted(name for name in names if not name.level)))
    wrong = transaction(struck.max_txid + data.draw(st.sampled_from([16, 256, 1 << 40])))
    upto = data.draw(st.integers(1, newest))
    store = ListedStore(dict.fromkeys(names, 0.0), page_keys=PAGE)
    listed, damaged = store.list_objects, []

    def once(prefix: str, after: str | None = None):  # type: ignore[no-untyped-def]
        for info in listed(prefix, after):
            if info.key == struck.key("main") and not damaged:
                damaged.append(info)
                yield type(info)(wrong.key("main"), info.size, info.modified_at)
            else:
                yield info

    store.list_objects = once  # type: ignore[method-assign]
    listing = PartialListing(store, "main")  # type: ignore[arg-type]
    whole_at_once = listing.is_whole
    listing.list_chain(upto)
    if not whole_at_once and chain.plan(names, 0, upto).reach == upto:
        assert chain.plan(listing.names, 0, upto).reach == upto


def test_a_small_database_is_listed_with_one_request() -> None:
    store = ListedStore({}, range(1, PAGE), page_keys=PAGE)
    listing = PartialListing(store, "main")  # type: ignore[arg-type]
    listing.list_chain()
    listing.list_newest()
    assert listing.listed == WHOLE
    assert store.asked == {"LIST": 1}


@pytest.mark.parametrize("upto", [None, 1000, 53_000, 99_999, 100_000])
def test_a_chain_of_a_long_log_takes_three_requests(monkeypatch: pytest.MonkeyPatch, upto: int | None) -> None:
    monkeypatch.setattr(partial_listing, "PAGE_KEYS", 1000)
    store = ListedStore({snapshot(txid): 0.0 for txid in range(500, 100_001, 500)}, range(1, 100_001))
    listing = PartialListing(store, "main")  # type: ignore[arg-type]
    listing.list_chain(upto)
    assert chain.plan(listing.names, 0, upto).reach == upto or upto is None
    assert store.asked["LIST"] <= 3


def test_runs() -> None:
    assert has_run(((2, 5), (7, END)), 2, 5)
    assert has_run(((2, 5), (7, END)), 9, END)
    assert not has_run(((2, 5), (7, END)), 4, 8)
    assert not has_run(((2, 5),), 1, 3)
    assert has_run((), 3, 3)
