"""Which file holds each page, against a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.ltx import LOCK_BYTE_OFFSET, Header, Pgno, compressed, lock_page
from lambda_handlers.storage.pages.layers import Layer, Layers
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder

PAGE_SIZE = 512


def map_of(pgnos: set[int], commit: int) -> PageMap:
    builder = PageMapBuilder(Header(PAGE_SIZE, commit, 1, 1, 0))
    for pgno in sorted(pgnos):
        builder.add(compressed(Pgno(pgno), bytes(PAGE_SIZE)))
    return builder.build(0)


def layer(name: LtxName, pgnos: set[int], commit: int) -> Layer:
    return Layer(name, map_of(pgnos, commit))


changes = st.lists(st.tuples(st.sets(st.integers(1, 60), max_size=20), st.integers(1, 60)), max_size=90)


@given(changes)
def test_the_newest_file_that_has_a_page_holds_it(transactions: list[tuple[set[int], int]]) -> None:
    layers, model, count = Layers(), dict[int, int](), 0
    for txid, (drawn, count) in enumerate(transactions, start=1):
        pgnos = {pgno for pgno in drawn if pgno <= count}
        layers.add(layer(transaction(txid), pgnos, count))
        model = {pgno: holder for pgno, holder in model.items() if pgno <= count} | dict.fromkeys(pgnos, txid)
    assert layers.page_count == count
    for number in range(1, 70):
        held = layers.holder(Pgno(number))
        assert (held.name.max_txid if held else None) == model.get(number)
    first = next((pgno for pgno in range(1, count + 1) if pgno not in model), None)
    assert layers.first_missing(PAGE_SIZE) == first


@given(changes, st.integers(0, 90))
def test_what_changed_since_is_told_or_not_known(transactions: list[tuple[set[int], int]], since: int) -> None:
    layers, changed = Layers(), set[int]()
    for txid, (drawn, count) in enumerate(transactions, start=1):
        pgnos = {pgno for pgno in drawn if pgno <= count}
        layers.add(layer(transaction(txid), pgnos, count))
        changed |= pgnos if txid > since else set()
    told = layers.changed_since(since)
    assert told is not None
    # Files that hold no page any more may be forgotten: all of their pages changed again, or were cut off.
    assert {pgno for pgno in changed if pgno <= layers.page_count and layers.holder(Pgno(pgno))} <= set(told)


def test_a_merged_file_that_begins_before_does_not_tell() -> None:
    layers = Layers()
    layers.add(layer(LtxName(2, 1, 5), {1, 2}, 2))
    layers.add(layer(transaction(6), {2}, 2))
    assert layers.changed_since(3) is None
    assert layers.changed_since(5) == [2]
    assert layers.changed_since(6) == []


def test_the_page_of_the_lock_is_not_missed() -> None:
    size = 65536
    page = lock_page(size)
    assert page == LOCK_BYTE_OFFSET // size + 1
    builder = PageMapBuilder(Header(size, page, 1, 1, 0))
    blank = compressed(Pgno(1), bytes(size))
    for pgno in range(1, page):
        builder.add(type(blank)(Pgno(pgno), blank.page, blank.block), blank.encode())
    layers = Layers()
    layers.add(Layer(transaction(1), builder.build(0, carry=False)))
    assert layers.first_missing(size) is None
