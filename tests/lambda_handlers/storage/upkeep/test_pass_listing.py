"""The part of a log that a pass lists, and its requests."""

from __future__ import annotations

import pytest

from lambda_handlers.host import Host
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import LtxName, maintenance_key, snapshot
from lambda_handlers.storage.log.partial_listing import PartialListing
from lambda_handlers.storage.upkeep.pass_listing import list_for_pass
from lambda_handlers.storage.upkeep.removal import MAX_DELETES
from lambda_handlers.store.protocol import ObjectInfo
from tests.fakes.stores.listed import ListedStore

NOW, DAY, COUNT = 1_700_000_000.0, 86_400.0, 100_000


def store(first: int, bases: range, retained_at: int) -> ListedStore:
    """A transaction a second up to now. Those before `retained_at` are older than a day."""
    dated = {snapshot(txid): NOW - DAY + txid - retained_at for txid in bases}
    dated |= {LtxName(1, txid - 15, txid): NOW - 60 for txid in range(COUNT - 159, COUNT, 16)}
    log = ListedStore(dated, range(first, COUNT + 1), lambda txid: NOW - DAY + txid - retained_at)
    key = maintenance_key("main")
    log.infos[key] = ObjectInfo(key, 1, NOW)
    log.keys.append(key)
    return log


def shown(log: ListedStore, chance: int = 50_000) -> PartialListing:
    host = Host(entropy=lambda count: chance.to_bytes(count, "big"))
    return list_for_pass(log, host, "main", DAY)  # type: ignore[arg-type]  # the verb it uses


@pytest.mark.parametrize("bases", [range(500, COUNT, 500), range(95_000, COUNT, 4000)], ids=["many", "few"])
def test_a_pass_over_a_long_log_lists_what_is_new(bases: range) -> None:
    log = store(14_000, bases, 14_010)
    listing = shown(log)
    assert chain.plan(listing.names).reach == COUNT
    assert not listing.is_whole
    assert log.asked == {"LIST": log.asked["LIST"]}
    assert log.asked["LIST"] <= 8


def test_what_retention_may_delete_is_listed_as_far_as_one_pass_goes() -> None:
    log = store(1, range(500, COUNT, 500), 60_000)
    listing = shown(log)
    assert listing.has(0, MAX_DELETES)
    assert MAX_DELETES // 1000 < log.asked["LIST"] <= MAX_DELETES // 1000 + 5


def test_transactions_that_wait_for_a_snapshot_are_listed() -> None:
    log = store(1, range(20_000, 20_001), 60_000)
    merge = LtxName(2, 20_001, 99_000)
    log.infos[merge.key("main")] = ObjectInfo(merge.key("main"), 200, NOW - 60)
    log.keys = sorted(log.infos)
    listing = shown(log)
    assert listing.has(20_001, 20_900)


def test_all_of_a_long_log_is_listed_by_and_by() -> None:
    log = store(1, range(500, COUNT, 500), 0)
    for chance in (30_000, 77_777):
        assert shown(log, chance).has(chance + 1, chance + 900)
