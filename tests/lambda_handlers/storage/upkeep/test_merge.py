"""Merging, against applying the files one after the other."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log.keys import LtxName, snapshot, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.upkeep.merge import Merge
from lambda_handlers.store.protocol import NotFound
from lambda_handlers.wire import SldbError
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store

SIZE = 512
Change = tuple[set[int], int, int]  # pages, pages of the database after it, page size


@st.composite
def logs(draw: st.DrawFn) -> list[Change]:
    count = draw(st.integers(1, 8))
    log: list[Change] = []
    before, page_size = 0, SIZE
    for _ in range(count):
        commit = draw(st.integers(0, 40))
        new_size = draw(st.sampled_from([page_size, page_size, page_size, 1024]))
        changed = draw(st.sets(st.integers(1, 40), max_size=15))
        whole = new_size != page_size or before == 0
        grown = set(range(1 if whole else before + 1, commit + 1))
        log.append(({pgno for pgno in changed if pgno <= commit} | grown, commit, new_size))
        before, page_size = commit, new_size
    return log


def write(store: FaultyStore, log: list[Change]) -> list[tuple[dict[int, bytes], int]]:
    """The log as transactions in the store; the state after each."""
    chance, states = random.Random(1), []
    pages: dict[int, bytes] = {}
    page_size = SIZE
    for txid, (changed, commit, new_size) in enumerate(log, start=1):
        if new_size != page_size:
            pages, page_size = {}, new_size
        content = {pgno: chance.randbytes(8) * (page_size // 8) for pgno in sorted(changed)}
        header = Header(page_size, commit, txid, txid, 1000 + txid, node_id=txid)
        store.create(transaction(txid).key("main"), encode_ltx(header, [(Pgno(n), p) for n, p in content.items()]))
        pages = {pgno: page for pgno, page in (pages | content).items() if pgno <= commit}
        states.append((pages, commit))
    return states


@given(logs())
def test_a_snapshot_is_the_state(log: list[Change]) -> None:
    store = FaultyStore(memory_store())
    pages, commit = write(store, log)[-1]
    merge = Merge(store, "main", [transaction(txid) for txid in range(1, len(log) + 1)], snapshot(len(log)), node_id=9)
    body = b"".join(merge.pieces())

    decoder = Decoder([body], "snapshot")
    assert dict(decoder.pages()) == pages
    assert (decoder.header.commit, decoder.header.page_size) == (commit, log[-1][2])
    assert (decoder.header.min_txid, decoder.header.max_txid) == (1, len(log))
    assert decoder.header.timestamp_ms == 1000 + len(log)
    assert merge.layer.map.file_bytes == len(body)
    assert list(merge.layer.map.pages()) == sorted(pages)
    assert PageMap.decode(merge.layer.map.encode()) == merge.layer.map


@given(logs(), st.data())
def test_merged_in_between_leads_to_the_same(log: list[Change], data: st.DataObject) -> None:
    """Whatever run of transactions is merged: the files before it, it, and those after it give the same state."""
    store = FaultyStore(memory_store())
    pages, commit = write(store, log)[-1]
    first = data.draw(st.integers(1, len(log)))
    last = data.draw(st.integers(first, len(log)))
    target = LtxName(2, first, last)
    merge = Merge(store, "main", [transaction(txid) for txid in range(first, last + 1)], target, node_id=9)
    store.create(target.key("main"), b"".join(merge.pieces()))
    names = [*map(transaction, range(1, first)), target, *map(transaction, range(last + 1, len(log) + 1))]

    again = Merge(store, "main", names, snapshot(len(log)), node_id=10)
    decoder = Decoder([b"".join(again.pieces())], "snapshot")
    assert dict(decoder.pages()) == pages
    assert decoder.header.commit == commit


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "renamed"])
def test_of_a_damaged_source_nothing_is_made(damage: str) -> None:
    store = FaultyStore(memory_store())
    write(store, [({1, 2, 3}, 3, SIZE), ({2}, 3, SIZE), ({3}, 3, SIZE)])
    key = transaction(2).key("main")
    body = bytearray(store.get(key))
    store.delete(key)
    if damage == "flip":
        body[-30] ^= 1
    if damage != "gone":
        store.create(key, bytes(body[:-9] if damage == "cut" else body))
    names = [transaction(1), transaction(2), transaction(3)]
    if damage == "renamed":
        store.create(transaction(4).key("main"), bytes(body))
        names.append(transaction(4))
    target = snapshot(len(names))

    def make() -> None:
        merge = Merge(store, "main", names, target, node_id=9)
        store.store.create_from(target.key("main"), merge.pieces())

    with pytest.raises((SldbError, NotFound), match=f"{(names[-1] if damage == 'renamed' else names[1]).key('main')}"):
        make()
    with pytest.raises(NotFound):
        store.get(target.key("main"))
