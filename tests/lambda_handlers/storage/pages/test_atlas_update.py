"""The atlas of a writer: written when it spares a reader several requests, and never without what it had."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, transaction
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages.atlas_update import with_atlas
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """One with six large transactions."""
    store = memory_store()
    engine = Engine(store, tmp_path)
    engine.write("CREATE TABLE t (x)", "INSERT INTO t VALUES (randomblob(800000))")
    for _ in range(5):
        engine.write("INSERT INTO t VALUES (randomblob(800000))")
    engine.close()
    return store


def files(store: ObjectStore, in_atlas: int = 0) -> list[HeadFile]:
    infos = {parse_ltx_key("main", info.key): info.size for info in store.list_objects("main/0000/")}
    names = sorted((name for name in infos if name), key=lambda name: name.max_txid)
    return [HeadFile(name, infos[name], True, in_atlas=name.max_txid <= in_atlas) for name in names]


def flags(made: object) -> list[bool]:
    return [file.in_atlas for file in made]  # type: ignore[attr-defined]  # a sequence of files


def test_one_page_map_is_not_worth_it(store: ObjectStore) -> None:
    copies = dict.fromkeys(map(transaction, range(1, 6)), b"?")
    assert flags(with_atlas(store, "main", files(store), copies)) == [False] * 6
    assert atlas.read(store, "main") == {}


def test_all_of_them_go_there(store: ObjectStore) -> None:
    assert flags(with_atlas(store, "main", files(store), {})) == [True] * 6
    assert atlas.read(store, "main").keys() == {transaction(txid) for txid in range(1, 7)}


def test_it_keeps_what_it_had(store: ObjectStore) -> None:
    with_atlas(store, "main", files(store)[:3], {})
    assert flags(with_atlas(store, "main", files(store, in_atlas=3), {})) == [True] * 6
    assert len(atlas.read(store, "main")) == 6


def test_what_a_head_says_of_an_atlas_that_is_gone_is_not_passed_on(store: ObjectStore) -> None:
    assert flags(with_atlas(store, "main", files(store, in_atlas=3), {})) == [False] * 3 + [True] * 3


def test_a_page_map_that_is_missing_or_damaged_is_left_out(store: ObjectStore) -> None:
    store.delete(transaction(2).page_map_key("main"))
    store.put(transaction(3).page_map_key("main"), b"?")
    made = flags(with_atlas(store, "main", files(store), {transaction(4): b"no map"}))
    assert made == [True, False, False, False, True, True]
    assert atlas.read(store, "main").keys() == {LtxName(0, txid, txid) for txid in (1, 5, 6)}
