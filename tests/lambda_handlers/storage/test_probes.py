"""Probes: each transaction is requested once, and none is left under way."""

from __future__ import annotations

import pytest

from lambda_handlers.host import Host
from lambda_handlers.storage.log.keys import snapshot, transaction
from lambda_handlers.storage.probes import PROBE_BYTES, Probes
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def store() -> FaultyStore:
    store = FaultyStore(memory_store())
    for txid in (3, 4):
        store.create(transaction(txid).key("main"), b"%d" % txid)
    store.create(transaction(5).key("main"), bytes(PROBE_BYTES + 1))
    store.calls.clear()
    return store


def test_what_was_requested_ahead_is_not_requested_again(store: FaultyStore) -> None:
    probes = Probes(store, Host(), "main")
    probes.send(2, 4)
    assert [probes.request(txid).result() for txid in (3, 4)] == [b"3", b"4"]
    assert probes.request(6).result() is None
    probes.settle()
    assert sorted(key for _, key in store.calls) == [transaction(txid).key("main") for txid in (3, 4, 5, 6)]


def test_only_whole_files_of_single_transactions_are_bodies(store: FaultyStore) -> None:
    probes = Probes(store, Host(), "main")
    probes.send(2, 4)
    names = [snapshot(3), *map(transaction, range(3, 8))]
    assert probes.bodies(names) == {transaction(3): b"3", transaction(4): b"4"}
    probes.settle()
    assert probes.bodies(names) == {}
