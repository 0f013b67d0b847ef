"""The answer to the create of a transaction: lost, refused, late or another writer's. Each docstring names the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambda_handlers.storage.commit import COMMIT_TRIES, STREAM_BYTES, PageChanges
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.replica import Conflict
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import (
    FaultyStore,
    blame_own,
    clash,
    lose_answer,
    lose_request,
    meanwhile,
    never_leave,
    refuse,
)
from tests.lambda_handlers.storage.numbers_table import (
    MakeEngine,
    insert,
    key,
    numbers,
    written,
)


@pytest.mark.usefixtures("no_head_due")
@pytest.mark.parametrize("fault", [lose_answer, blame_own])
def test_a_commit_whose_answer_got_lost_is_committed(engine: MakeEngine, store: FaultyStore, fault: Any) -> None:
    """Invariant 3; the line is `if _is_mine(...): return` in commit.create_transaction."""
    one = written(engine(), 2)
    store.verbs()
    store.plan("create", fault)

    assert one.write(insert(3)) == 3

    assert store.verbs() == ["get_range", "create", "get_range"]
    assert numbers(one) == [2, 3]
    assert one.write(insert(4)) == 4


@pytest.mark.usefixtures("no_head_due")
@pytest.mark.parametrize("fault", [clash, lose_request])
def test_a_commit_that_never_arrived_is_sent_again(engine: MakeEngine, store: FaultyStore, fault: Any) -> None:
    """Invariant 3: absent is tried again; the line is the `for` in commit.create_transaction."""
    one = written(engine(), 2)
    store.verbs()
    store.plan("create", fault)

    assert one.write(insert(3)) == 3

    assert store.verbs() == ["get_range", "create", "get_range", "create"]
    assert len(store.written[key(3)]) == 1


def test_a_commit_that_arrives_late_is_still_ours(engine: MakeEngine, store: FaultyStore) -> None:
    """The request is on its way while nobody answers: it is applied after we looked, and before we send it again."""
    one = written(engine(), 2)
    held: list[Callable[[], Any]] = []

    def hold(key: str, act: Callable[[], Any]) -> Any:
        held.append(act)
        return lose_request(key, act)

    def arrive() -> None:
        held.pop()()

    store.plan("create", hold, meanwhile(arrive))

    assert one.write(insert(3)) == 3
    assert numbers(one) == [2, 3]
    assert len(store.written[key(3)]) == 1


@pytest.mark.parametrize("fault", [lose_request, clash])
def test_somebody_else_may_have_come_first_while_nobody_answered(
    engine: MakeEngine, store: FaultyStore, fault: Any
) -> None:
    one, other = written(engine(), 2), engine()

    def race(key: str, act: Callable[[], Any]) -> Any:
        other.write(insert(77))
        return fault(key, act)

    store.plan("create", race)
    with pytest.raises(Conflict):
        one.write(insert(3))

    one.replica.refresh()
    assert numbers(one) == [2, 77]


@pytest.mark.parametrize("fault", [clash, lose_request])
def test_a_store_that_never_takes_it_leaves_it_open(engine: MakeEngine, store: FaultyStore, fault: Any) -> None:
    """Absent each time it was looked for; but a request may be on its way still."""
    one = written(engine(), 2)
    store.plan("create", *[fault] * COMMIT_TRIES)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3))

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": "unknown"})
    assert "request_id" in caught.value.hint
    assert one.write(insert(4)) == 3
    assert numbers(one) == [2, 4]


@pytest.mark.parametrize("doubt", [lose_answer, lose_request, clash, blame_own])
@pytest.mark.parametrize("silence", [lose_request, refuse])
def test_when_the_store_cannot_be_asked_it_is_not_known(
    engine: MakeEngine, store: FaultyStore, doubt: Any, silence: Any
) -> None:
    """Invariant 3: neither success nor failure; the line is `applied="unknown"` in commit._is_mine."""
    one = written(engine(), 2)
    one.replica.refresh()
    store.plan("create", doubt)
    store.plan("get_range", silence)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3), refresh=False)

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": "unknown"})
    one.replica.refresh()
    assert numbers(one) == ([2, 3] if store.written[key(3)] else [2])


def test_what_was_refused_was_not_applied(engine: MakeEngine, store: FaultyStore) -> None:
    """The line is `except Refused` in commit.create_transaction: no second try, and a definite answer, once the key has
    been looked at: it may be the refusal of a second try below, whose first was applied."""
    one = written(engine(), 2)
    store.verbs()
    store.plan("create", refuse)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3))

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": "no"})
    assert store.verbs() == ["get_range", "create", "get_range"]
    assert numbers(one) == [2]
    assert one.write(insert(4)) == 3


@pytest.mark.parametrize(("before", "applied"), [([], "no"), ([lose_request], "unknown"), ([clash], "unknown")])
def test_what_never_left_was_not_applied(
    engine: MakeEngine, store: FaultyStore, before: list[Any], applied: str
) -> None:
    """The line is `error.is_unmade` in commit.create_transaction; a try before it may have arrived."""
    one = written(engine(), 2)
    one.replica.refresh()
    store.plan("create", *before, never_leave)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3), refresh=False)

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": applied})
    assert one.write(insert(3)) == 3


def test_a_refusal_after_a_doubt_leaves_it_open(engine: MakeEngine, store: FaultyStore) -> None:
    """The line is `"unknown" if doubt else "no"` in commit.create_transaction: the first try may still arrive."""
    one = written(engine(), 2)
    store.plan("create", lose_request, refuse)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3))

    assert caught.value.details["applied"] == "unknown"


@pytest.mark.parametrize("lost", [[], [lose_request]], ids=["at first", "after a doubt"])
def test_what_cannot_be_read_for_another_try_leaves_it_open(
    engine: MakeEngine, store: FaultyStore, lost: list[Any]
) -> None:
    """The lines are `except Exception` in commit.create_transaction: that error speaks for its own try alone."""
    one = written(engine(), 2)
    store.plan("create_from", *lost)

    def fail() -> Iterator[tuple[Pgno, bytes]]:
        raise SldbError("query_timeout", "the time was up", applied="no")
        yield

    with pytest.raises(SldbError) as caught:
        one.replica.commit(PageChanges(4096, one.replica.page_count, fail, STREAM_BYTES))
    code, applied = ("store_error", "unknown") if lost else ("query_timeout", "no")
    assert (caught.value.code, caught.value.details.get("applied")) == (code, applied)


@pytest.mark.parametrize("body", [b"", b"rubbish", b"x" * 500])
def test_rubbish_where_the_transaction_belongs_is_named(engine: MakeEngine, store: FaultyStore, body: bytes) -> None:
    one = written(engine(), 2)
    one.replica.refresh()
    store.store.create(key(3), body)

    with pytest.raises(SldbError, match=key(3)) as caught:
        one.write(insert(3), refresh=False)
    assert caught.value.code == "corrupt"

    store.store.delete(key(3))
    assert one.write(insert(4)) == 3
    assert numbers(one) == [2, 4]


def test_timestamps_never_go_back(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    """Nor do they stay: a time tells a transaction from the one before it."""
    one = written(engine(), 1)
    clock.time -= 500
    one.write(insert(2))
    clock.time += 1000
    one.write(insert(3))

    stamps = [Header.decode(store.get(key(n)), key(n)).timestamp_ms for n in (1, 2, 3)]
    assert stamps == [1_800_000_000_000, 1_800_000_000_001, 1_800_000_500_000]
