"""Freshness: no reader or writer relies on a check that is too old. Each docstring names the line that guards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.keys import LtxName, head_key, transaction
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.replica import Conflict
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.stores.faulty import (
    FaultyStore,
    meanwhile,
)
from tests.lambda_handlers.storage.numbers_table import (
    HALF,
    MakeEngine,
    insert,
    key,
    numbers,
    written,
)


def test_a_container_that_was_frozen_commits_nothing_before_it_looks(
    engine: MakeEngine, store: FaultyStore, clock: Clock
) -> None:
    """Invariant 5; the line is that of Freshness.may_commit.

    While it was frozen, n + 1 came, was compacted and removed: to create n + 1 again would succeed, and lose.
    """
    frozen = written(engine(), 2)
    frozen.replica.refresh()
    clock.time += 3 * RETENTION_FLOOR_SECONDS
    store.verbs()

    with pytest.raises(Conflict):
        frozen.write(insert(99), refresh=False)

    assert store.verbs() == []
    frozen.replica.refresh(max_staleness=10 * RETENTION_FLOOR_SECONDS)  # what was in doubt is not merely stale
    assert store.verbs() == ["list_objects", "get_range"]


def test_a_container_that_thaws_finds_what_was_compacted(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path
) -> None:
    """Invariant 5; the line is `is_known(now)` in LogFollower.follow: the probe alone would say "current"."""
    frozen, other = written(engine(), 2), engine()
    other.write(insert(3))
    other.write(insert(4))
    compact(store, LtxName(9, 1, 4), tmp_path)
    for txid in (1, 2, 3, 4):
        store.delete(key(txid))
    clock.time += 3 * RETENTION_FLOOR_SECONDS

    assert frozen.write(insert(5)) == 5

    assert numbers(frozen) == [2, 3, 4, 5]


def test_a_container_that_thaws_follows_no_transaction_that_was_created_again(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path
) -> None:
    """Another one that was frozen has created n + 1 where that was removed, and what follows n + 1 is there."""
    thawing, other = written(engine(), 2), engine()
    late = engine()
    store.delete(head_key("main"))  # so that it lists, as before its first commit
    late.replica.refresh()
    for statement in (insert(3), "CREATE TABLE other (x)", "INSERT INTO other VALUES (5)"):
        other.write(statement)
    compact(store, LtxName(2, 4, 5), tmp_path)
    compact(store, LtxName(9, 1, 5), tmp_path)
    for txid in (1, 2, 3, 4, 5):
        store.delete(key(txid))
    assert late.write(insert(99), refresh=False) == 3
    clock.time += 3 * RETENTION_FLOOR_SECONDS

    thawing.replica.refresh()
    assert thawing.replica.txid == 5
    assert numbers(thawing) == [2, 3]


@pytest.mark.parametrize("is_cold", [False, True])
def test_a_transaction_that_came_after_a_pause_is_not_followed(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path, is_cold: bool
) -> None:
    """It may be one that was created again: here the newest, so that nothing behind it tells."""
    thawing, other, late = written(engine(), 2), engine(), engine()
    store.delete(head_key("main"))  # so that it lists, as before its first commit
    late.replica.refresh()

    def pause(_key: str, act: Any) -> Any:
        other.write(insert(3))
        compact(store, LtxName(9, 1, 3), tmp_path)
        for txid in (1, 2, 3):
            store.delete(key(txid))
        assert late.write(insert(99), refresh=False) == 3
        clock.time += 3 * RETENTION_FLOOR_SECONDS
        return act()

    if is_cold:
        thawing = engine()
    store.plan("get_range", pause)
    thawing.replica.refresh()
    assert numbers(thawing) == [2, 3]


def compacted_away(one: Engine, store: FaultyStore, clock: Clock, directory: Path) -> Callable[[], None]:
    """What the rest of the world does while somebody stands still for hours: write, compact, remove."""

    def meanwhile() -> None:
        one.write(insert(3))
        one.write(insert(4))
        compact(store, LtxName(9, 1, 4), directory)
        for txid in (1, 2, 3, 4):
            store.delete(key(txid))
        clock.time += 3 * RETENTION_FLOOR_SECONDS

    return meanwhile


@pytest.mark.parametrize("is_cold", [False, True])
def test_who_stands_still_while_he_asks_does_not_believe_the_answer(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path, is_cold: bool
) -> None:
    """Invariant 5; the line is LogFollower._is_believable: the age was right before the question, and when the answer
    came, transaction n + 1 had come and gone."""
    other, reader = written(engine(), 2), engine()
    if is_cold:  # begins from a head
        put_head(store, 2, clock.time)
    else:
        reader.replica.refresh()
    store.plan("get_range", meanwhile(compacted_away(other, store, clock, tmp_path)))

    reader.replica.refresh()

    assert numbers(reader) == [2, 3, 4]


def put_head(store: FaultyStore, txid: int, checked_at: float) -> None:
    """A head of which every file is a transaction."""
    names = [transaction(number) for number in range(1, txid + 1)]
    files = tuple(HeadFile(name, store.size(name.key("main")), is_mapped=False) for name in names)
    store.put("main/head.json", Head(txid, checked_at, 0, files).encode("main"))


def test_who_stands_still_while_he_commits_is_not_told_that_he_has(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path
) -> None:
    """Invariant 5; the lines are those on `took` in Replica._create: the create met the gap that retention left."""
    other, writer = written(engine(), 2), engine()
    writer.replica.refresh()
    store.plan("create", meanwhile(compacted_away(other, store, clock, tmp_path)))

    with pytest.raises(SldbError) as caught:
        writer.write(insert(99), refresh=False)

    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "unknown")
    writer.replica.refresh()
    assert numbers(writer) == [2, 3, 4]
    assert writer.write(insert(5)) == 5


def test_half_the_floor_after_the_last_list_it_lists_again(
    engine: MakeEngine, store: FaultyStore, clock: Clock
) -> None:
    """Probes in between do not count: the lines are `self._freshness.known_at = ...` in LogFollower, and no others."""
    one = written(engine(), 2)
    for _ in range(3):
        clock.time += HALF / 3
        store.verbs()
        one.replica.refresh()
        assert store.verbs() == ["get_range"]
    clock.time += 1
    one.replica.refresh()

    assert store.verbs() == ["list_objects", "get_range"]
    one.replica.refresh()
    assert store.verbs() == ["get_range"]


@pytest.mark.parametrize("step", [-1 - SKEW_SECONDS, -86400, 365 * 86400])
def test_a_clock_that_jumps_makes_it_list(engine: MakeEngine, store: FaultyStore, clock: Clock, step: float) -> None:
    """The lines are `<= now - known_at` in is_fresh and the `0 <=` in Freshness.may_commit: no age is known."""
    one = written(engine(), 2)
    clock.time += step
    store.verbs()
    with pytest.raises(Conflict):
        one.write(insert(3), refresh=False)
    one.replica.refresh(max_staleness=60)

    assert store.verbs() == ["list_objects", "get_range"]
    assert one.write(insert(3)) == 3


def test_within_max_staleness_nothing_is_asked(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    one, other = written(engine(), 2), engine()
    other.replica.refresh()
    one.write(insert(3))
    store.verbs()

    clock.time += 10
    other.replica.refresh(max_staleness=10)
    assert store.verbs() == []
    assert numbers(other) == [2]

    clock.time += 0.5
    other.replica.refresh(max_staleness=10)
    assert store.verbs() == ["get_range"] * 2
    assert numbers(other) == [2, 3]


def test_staleness_counts_from_the_question_not_from_the_answer(
    engine: MakeEngine, store: FaultyStore, clock: Clock
) -> None:
    one = written(engine(), 2)
    one.replica.refresh()
    store.plan("get_range", meanwhile(lambda: clock.sleep(30)))
    one.replica.refresh()
    store.verbs()

    one.replica.refresh(max_staleness=20)

    assert store.verbs() == ["get_range"]
    clock.time += HALF
    store.plan("list_objects", meanwhile(lambda: clock.sleep(30)))
    one.replica.refresh()
    store.verbs()

    one.replica.refresh(max_staleness=20)

    assert store.verbs() == ["get_range"]
