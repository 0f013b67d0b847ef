"""The sweep puts the doubts of databases from before there were any, and removes those that are over."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest

from lambda_handlers.storage.log import doubts
from lambda_handlers.storage.log.copy_mark import MARK_BYTES
from lambda_handlers.storage.log.keys import doubt_key, doubts_complete_key, snapshot, sweep_key, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.upkeep import sweep
from lambda_handlers.storage.upkeep.doubt_keeping import RECENT_SECONDS
from lambda_handlers.storage.upkeep.sweep import Progress, Sweep
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

DAY = 86_400.0
LIVE = encode_ltx(Header(512, 1, 1, 1, 1000, 7), [(Pgno(1), bytes(index * 131 % 251 for index in range(512)))])
DROPPED = encode_ltx(Header(512, 0, 2, 2, 2000, 7), ())


class Store(FaultyStore):
    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(Timed(memory_store(), self.clock))  # type: ignore[arg-type]  # it forwards all verbs

    def minutes(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.time += 60
            Sweep(self, self.clock.host(), 30 * DAY).run(self.clock.time + 900)

    def doubts(self) -> list[str]:
        return sorted(info.key for info in self.list_objects("") if info.key.startswith("_doubt-"))

    @property
    def is_complete(self) -> bool:
        return "_doubts" in self.list_directories("")


def live(store: Store, name: str) -> None:
    store.create(transaction(1).key(name), LIVE)


def dropped(store: Store, name: str) -> None:
    live(store, name)
    store.create(transaction(2).key(name), DROPPED)


def begun(store: Store, name: str) -> None:
    store.create(transaction(1).key(name), bytes(MARK_BYTES))


def pushed(store: Store, name: str) -> None:
    store.create(f"{name}/uploads/0123456789abcdef/part", b"x")


def emptied(store: Store, name: str) -> None:
    store.create(snapshot(5).key(name), encode_ltx(Header(512, 0, 1, 5, 2000, 7), ()))


MISLEADING: list[tuple[Callable[[Store, str], None], int]] = [(dropped, 2), (begun, 1), (pushed, 0), (emptied, 5)]


@pytest.mark.parametrize("keys", [1, 5, 1000])
def test_the_first_sweep_puts_all_that_are_missing_and_then_says_so(keys: int) -> None:
    store = Store()
    for name in ("0", "live", "z"):
        live(store, name)
    for number, (make, _) in enumerate(MISLEADING):
        make(store, f"d{number}")
    store.clock.time += 100 * DAY
    with patch.object(sweep, "PAGE_KEYS", keys):
        while not store.is_complete:
            names = store.doubts()
            store.minutes()
    assert {f"d{number}" for number in range(len(MISLEADING))} <= {
        name.split("/")[0].removeprefix("_doubt-") for name in names
    }
    if keys == 1000:  # no page has a part of a database alone
        wanted = {doubt_key(f"d{number}", txid) for number, (_, txid) in enumerate(MISLEADING)}
        assert set(names) == wanted
        store.clock.time += DAY
        store.calls.clear()
        store.minutes(3)
        assert set(store.doubts()) == wanted
        assert "create" not in {verb for verb, key in store.calls if "doubt" in key}  # what is old has its doubt


def test_an_empty_store_is_complete_in_two_minutes() -> None:
    store = Store()
    store.minutes(2)
    assert store.is_complete
    store.calls.clear()
    store.minutes()
    assert [verb for verb, _ in store.calls] == ["get_with_tag"]


def test_what_an_earlier_version_drops_meanwhile_gets_its_doubt_by_the_next_sweep() -> None:
    store = Store()
    store.minutes(2)
    dropped(store, "a")
    store.clock.time += DAY
    store.minutes(2)
    assert store.doubts() == [doubt_key("a", 2)]


@pytest.mark.parametrize("body", [b"damaged", Progress(0.0, "b", 3, 3).encode()])
def test_the_progress_of_an_earlier_version_takes_the_word_back(body: bytes) -> None:
    store = Store()
    store.minutes(2)
    dropped(store, "a")
    store.put(sweep_key(), body)
    store.clock.time += 100 * DAY
    store.minutes()
    assert not store.is_complete
    assert store.doubts() == [doubt_key("a", 2)]
    store.minutes()
    assert store.is_complete


def test_a_doubt_is_removed_once_its_database_is_there() -> None:
    store = Store()
    store.minutes(2)
    for name, make in (("a", live), ("b", dropped), ("c", begun), ("d", pushed)):
        make(store, name)
        doubts.put(store, name)
        doubts.put(store, name, 1)
        doubts.put(store, name, 2)
    doubts.put(store, "e")
    store.clock.time += DAY
    store.minutes()
    left = [doubt_key(name, txid) for name in "bcd" for txid in range(3)]
    assert store.doubts() == sorted([doubt_key("a", 2), *left, doubt_key("e", 0)])
    assert doubts_complete_key() in {info.key for info in store.list_objects("")}


def test_an_old_doubt_costs_no_request() -> None:
    store = Store()
    store.minutes(2)
    dropped(store, "a")
    doubts.put(store, "a", 2)
    store.clock.time += RECENT_SECONDS + 1
    store.calls.clear()
    store.minutes()
    asked = [(verb, key) for verb, key in store.calls if not key.startswith("_work/")]
    assert asked == [("get_with_tag", sweep_key()), ("list_objects", ""), ("replace", sweep_key())]
    assert store.doubts() == [doubt_key("a", 2)]
