"""The deadline of a request: the time that is left, the error once there is none, and the search for a mark that
cancels the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.deadline import NEVER, PIECE_SECONDS, SECONDS_BETWEEN_LOOKS, Deadline, Watch
from lambda_handlers.host import Call
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock


def test_a_deadline_passes_when_its_moment_has_come() -> None:
    now = 100.0
    deadline = Deadline(102.0, lambda: now)
    assert deadline.seconds_left == 2.0
    deadline.check()
    now = 102.0
    assert deadline.is_over()
    with pytest.raises(SldbError) as caught:
        deadline.check()
    assert (caught.value.code, caught.value.details) == ("query_timeout", {"applied": "no"})
    now = 103.5
    assert deadline.seconds_left == -1.5


def test_the_error_names_the_statement_that_ran() -> None:
    assert Deadline(0.0, lambda: 1.0).error(3).details == {"statement": 3, "applied": "no"}


def test_the_same_deadline_with_another_error() -> None:
    other = Deadline(0.0, lambda: 1.0).reporting("it is not complete", "send it again")
    error = other.error()
    assert (error.message, error.hint, error.details) == ("it is not complete", "send it again", {"applied": "no"})
    assert other.without_outcome().error().details == {}
    assert other.is_over()


def test_there_is_a_deadline_that_never_comes() -> None:
    NEVER.check()
    assert not NEVER.is_over()


class Marks:
    """A place for a mark, and the times at which it was looked for."""

    def __init__(self, clock: Clock, marked_at: float = float("inf")) -> None:
        self.clock = clock
        self.marked_at = marked_at
        self.looks: list[float] = []

    def look(self) -> bool:
        self.looks.append(self.clock.time)
        return self.clock.time >= self.marked_at

    def deadline(self) -> Deadline:
        return Deadline(float("inf"), self.clock.now, watch=Watch(self.clock.host(), self.look))


@given(steps=st.lists(st.floats(0.0, 3.0), max_size=60))
def test_a_mark_is_looked_for_once_a_second_and_not_by_young_requests(steps: list[float]) -> None:
    clock = Clock()
    marks, began_at = Marks(clock), clock.time
    deadline = marks.deadline()
    for step in steps:
        clock.time += step
        assert not deadline.is_over()
    times = [began_at, *marks.looks]
    assert all(later - earlier >= SECONDS_BETWEEN_LOOKS for earlier, later in pairwise(times))


@given(
    marked_after=st.floats(-5.0, 20.0),
    steps=st.lists(st.floats(0.001, PIECE_SECONDS), min_size=200, max_size=200),
)
def test_a_mark_is_found_within_two_seconds(marked_after: float, steps: list[float]) -> None:
    clock = Clock()
    marks = Marks(clock, clock.time + marked_after)
    deadline, began_at = marks.deadline(), clock.time
    while not deadline.is_over():
        clock.time += steps.pop() if steps else PIECE_SECONDS
        assert clock.time - max(began_at, marks.marked_at) <= 2.0
    looked = len(marks.looks)
    clock.time += 100
    assert deadline.is_over()  # for good
    assert len(marks.looks) == looked
    assert clock.time > marks.marked_at
    with pytest.raises(SldbError) as caught:
        deadline.check()
    assert (caught.value.code, caught.value.status, caught.value.exit_code) == ("cancelled", 499, 130)
    assert caught.value.details == {"applied": "no"}


def test_a_clock_that_is_set_back_does_not_end_the_search() -> None:
    clock = Clock()
    marks = Marks(clock)
    deadline = marks.deadline()
    clock.time += 2
    assert not deadline.is_over()
    clock.time -= 3600
    marks.marked_at = clock.time
    for _ in range(3):
        deadline.is_over()
    assert deadline.is_over()


class Unanswered:
    """A call that is never over."""

    def wait(self, seconds: float) -> bool:
        return False

    def result(self) -> Any:
        raise AssertionError("it was waited for")


def test_a_store_without_an_answer_holds_up_nothing() -> None:
    clock, started = Clock(), []

    def start(function: Callable[[], Any]) -> Call:
        started.append(function)
        return Unanswered()

    watch = Watch(replace(clock.host(), start=start), lambda: True)
    deadline = Deadline(clock.time + 10, clock.now, watch=watch)
    for _ in range(9):
        clock.time += 1
        assert not deadline.is_over()
    assert len(started) == 1
    clock.time += 1
    with pytest.raises(SldbError, match="ran out of time"):
        deadline.check()


def test_a_bug_of_the_search_is_no_silence() -> None:
    clock = Clock()

    def look() -> bool:
        raise ZeroDivisionError

    deadline = Deadline(float("inf"), clock.now, watch=Watch(clock.host(), look))
    clock.time += 2
    assert not deadline.is_over()  # it is looked for
    with pytest.raises(ZeroDivisionError):
        deadline.is_over()


def test_a_pause_ends_soon_after_the_mark() -> None:
    clock = Clock()
    marks = Marks(clock, clock.time + 4)
    deadline = marks.deadline()
    with pytest.raises(SldbError, match="cancelled"):
        deadline.pause(3600, clock.sleep)
    assert marks.marked_at <= clock.time <= marks.marked_at + 2


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("seconds", [0.0, 0.1, PIECE_SECONDS, 1.3])
def test_a_pause_without_a_mark_takes_its_time(watched: bool, seconds: float) -> None:
    clock = Clock()
    began_at = clock.time
    deadline = Marks(clock).deadline() if watched else Deadline(float("inf"), clock.now)
    deadline.pause(seconds, clock.sleep)
    assert clock.time == pytest.approx(began_at + seconds, abs=1e-6)
    assert watched or clock.sleeps == [seconds]
