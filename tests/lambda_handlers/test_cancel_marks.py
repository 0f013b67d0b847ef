"""Marks that cancel requests: which request a mark is for, and marks in a store that loses answers."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers import cancel_marks
from lambda_handlers.cancel_marks import KEPT_SECONDS, MAX_MARKS, VALID_SECONDS, Mark, Running
from lambda_handlers.storage.log.keys import cancel_prefix
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import FaultyStore, blame_own, clash, lose_answer, lose_request, meanwhile, refuse
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

NOW = 1_800_000_000.0
KEY = cancel_marks.key_of("main", "r")


def running(attempt: str | None = "a", began_at: float = NOW - 5, caller: str = "") -> Running:
    return Running("main", "r", attempt, began_at, caller)


@pytest.mark.parametrize(
    ("mark", "request_", "is_for"),
    [
        (Mark("a", NOW - 1), running("a"), True),
        (Mark("a", NOW - 9), running("a"), True),  # it arrived after its mark: a container that starts
        (Mark("b", NOW - 1), running("a"), False),  # a later attempt with the same id
        (Mark("a", NOW - 1), running(None), False),
        (Mark(None, NOW - 1), running("a"), True),
        (Mark(None, NOW - 1), running(None), True),
        (Mark(None, NOW - 6), running("a"), False),  # from before it began
        (Mark(None, NOW - 6), running(None), False),
        (Mark("a", NOW - VALID_SECONDS - 1), running("a"), False),
        (Mark("a", NOW + 59), running("a"), True),  # of a clock that is a little ahead
        (Mark("a", NOW + 61), running("a"), False),
        (Mark(None, NOW + 61), running("a"), False),
        (Mark("a", NOW - 1, "ann"), running("a", caller="ann"), True),
        (Mark("a", NOW - 1, "bob"), running("a", caller="ann"), False),
        (Mark("a", NOW - 1, "bob"), running("a"), False),  # an operator's request is not bob's
        (Mark("a", NOW - 1), running("a", caller="ann"), True),  # an operator may cancel all
    ],
)
def test_which_request_a_mark_is_for(mark: Mark, request_: Running, is_for: bool) -> None:
    assert mark.is_for(request_, NOW) is is_for
    store = memory_store()
    cancel_marks.add(store, KEY, mark)
    assert cancel_marks.is_cancelled(store, request_, NOW) is is_for


def test_an_id_of_one_database_is_not_that_of_another() -> None:
    store = memory_store()
    cancel_marks.add(store, KEY, Mark("a", NOW))
    assert not cancel_marks.is_cancelled(store, Running("other", "r", "a", NOW), NOW)
    assert not cancel_marks.is_cancelled(store, Running("main", "s", "a", NOW), NOW)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_keys_of_different_ids_differ(one: str, other: str) -> None:
    keys = {cancel_marks.key_of("main", text) for text in (one, other)}
    assert len(keys) == len({one, other})
    assert all(key.startswith(cancel_prefix()) and len(key) == len(cancel_prefix()) + 32 for key in keys)


@pytest.mark.parametrize("step", [lose_answer, lose_request, blame_own, clash])
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_mark_is_there_once_whatever_happens_to_the_answers(step, earlier) -> None:
    store = FaultyStore(memory_store())
    for number in range(earlier):
        cancel_marks.add(store, KEY, Mark(f"e{number}", NOW))
    store.plan("replace" if earlier else "create", step, step)
    cancel_marks.add(store, KEY, Mark("a", NOW))
    assert [mark.attempt for mark in cancel_marks._decode(store.get(KEY), KEY)] == [*["e0"][:earlier], "a"]


def test_marks_at_the_same_time_are_all_there() -> None:
    store = FaultyStore(memory_store())
    store.plan("create", meanwhile(lambda: cancel_marks.add(store.store, KEY, Mark("b", NOW))))
    cancel_marks.add(store, KEY, Mark("a", NOW))
    assert cancel_marks.is_cancelled(store, running("a"), NOW)
    assert cancel_marks.is_cancelled(store, running("b"), NOW)


def test_marks_of_four_threads_over_a_directory(tmp_path) -> None:
    store = DirectoryStore(tmp_path)
    names = [f"t{number}" for number in range(4)]
    barrier = threading.Barrier(len(names))

    def add(name: str) -> None:
        barrier.wait()
        cancel_marks.add(store, KEY, Mark(name, NOW))

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(cancel_marks.is_cancelled(store, running(name), NOW) for name in names)


def test_a_refused_mark_is_reported() -> None:
    store = FaultyStore(memory_store())
    store.plan("create", refuse)
    with pytest.raises(SldbError) as caught:
        cancel_marks.add(store, KEY, Mark("a", NOW))
    assert (caught.value.code, caught.value.details["key"]) == ("store_error", KEY)


@pytest.mark.parametrize("step", [lose_request, refuse])
def test_a_look_without_an_answer_shows_nothing(step) -> None:
    store = FaultyStore(memory_store())
    cancel_marks.add(store, KEY, Mark("a", NOW))
    store.plan("get", step)
    assert not cancel_marks.is_cancelled(store, running(), NOW)
    assert cancel_marks.is_cancelled(store, running(), NOW)


def test_expired_marks_go_with_the_next_one_and_the_newest_stay() -> None:
    store = memory_store()
    cancel_marks.add(store, KEY, Mark("old", NOW - VALID_SECONDS - 1))
    for number in range(MAX_MARKS + 5):
        cancel_marks.add(store, KEY, Mark(f"a{number}", NOW + number / 100))
    marks = cancel_marks._decode(store.get(KEY), KEY)
    assert [mark.attempt for mark in marks] == [f"a{number}" for number in range(5, MAX_MARKS + 5)]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"marks":[{"attempt":"a","at":1800000000.0,"caller":""}]}'])
def test_a_damaged_object_counts_as_absent_and_is_replaced(body: bytes) -> None:
    store = memory_store()
    store.put(KEY, body)
    assert not cancel_marks.is_cancelled(store, running(), NOW)
    cancel_marks.add(store, KEY, Mark("a", NOW))
    assert cancel_marks.is_cancelled(store, running(), NOW)


@pytest.mark.parametrize("fields", [1, {}, {"attempt": 1, "at": NOW, "caller": ""}, {"attempt": "a", "caller": ""}])
def test_a_mark_of_another_form_is_no_mark(fields: object) -> None:
    assert cancel_marks._decode_mark(fields) is None


def test_in_a_directory_old_marks_go_with_the_next(tmp_path) -> None:
    clock = Clock()
    store = Timed(memory_store(), clock)
    for attempt in ("a", "b"):
        cancel_marks.add(store, cancel_marks.key_of("main", attempt), Mark(attempt, clock.time))
        clock.time += KEPT_SECONDS + 1
    assert store.deleted == [cancel_marks.key_of("main", "a")]
