"""Work items: found by one LIST, and removed only once a pass has reached their transaction."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import work_items
from lambda_handlers.storage.log.keys import parse_work_key, work_key, work_prefix
from lambda_handlers.storage.log.work_items import STALE_SECONDS, Waiting
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

TXIDS = st.integers(1, 30)


def left(store: Timed) -> set[tuple[str, int]]:
    return {found for info in store.list_objects(work_prefix()) if (found := parse_work_key(info.key))}


@given(
    before=st.sets(st.tuples(st.sampled_from(["a", "a-b", "main"]), TXIDS)),
    after=st.sets(st.tuples(st.sampled_from(["a", "a-b", "main"]), TXIDS)),
    reach=TXIDS,
)
def test_no_pass_removes_an_item_of_a_later_transaction(
    before: set[tuple[str, int]], after: set[tuple[str, int]], reach: int
) -> None:
    store = Timed(memory_store(), Clock())
    for database, txid in before:
        work_items.put(store, database, txid)  # type: ignore[arg-type]  # it forwards all verbs
    found = work_items.find(store)  # type: ignore[arg-type]
    for database, txid in after:
        work_items.put(store, database, txid)  # type: ignore[arg-type]
    for one in found:
        store.delete_many(list(one.reached(reach, Clock().time)))
    assert left(store) >= {(database, txid) for database, txid in before | after if txid > reach}
    assert left(store) <= after | {item for item in before if item[1] > reach}


def test_one_list_finds_them_all_or_those_of_a_database() -> None:
    store = FaultyStore(memory_store())
    for database in ("a", "a-b", "b"):
        for txid in (16, 32):
            work_items.put(store, database, txid)
    work_items.put(store, "a", 16)  # again
    store.create("_work/_a/0000000000000010", b"")
    store.create("_work/a/readme", b"")
    store.verbs()
    assert {one.database: one.newest for one in work_items.find(store)} == {"a": 32, "a-b": 32, "b": 32}
    assert [one.database for one in work_items.find(store, "a")] == ["a"]
    assert store.verbs() == ["list_objects"] * 2


def test_one_that_no_pass_has_reached_for_a_day_is_about_nothing() -> None:
    one = Waiting("a", ((5, 100.0), (9, 200.0)))
    assert list(one.reached(4, 100.0 + STALE_SECONDS)) == []
    assert list(one.reached(4, 101.0 + STALE_SECONDS)) == [work_key("a", 5)]
    assert (one.newest, one.since) == (9, 100.0)
