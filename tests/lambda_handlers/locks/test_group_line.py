"""The line for a security group: only whose turn is near tries, and nobody pays for it who does not wait."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.locks import group_line
from lambda_handlers.locks.group_line import GroupLine
from lambda_handlers.shared.lock_holder import Holder
from tests.fakes.clock import Clock

RETRY = 1.0
LONGEST_PAUSE = 1.25 * group_line.MAX_PAUSE_SECONDS


def holder(waited: float, lock_id: str = "sg-1") -> Holder:
    return Holder(lock_id, "main", "owner", 0.0, waited_seconds=waited)


def test_who_meets_nobody_has_not_waited_and_does_not_pause() -> None:
    clock = Clock()
    line = GroupLine(clock.host(), RETRY)
    clock.time += 5.0  # the answer of EC2 was slow
    assert (line.waited, line.first_pause, line.is_far) == (0.0, 0.0, False)


@pytest.mark.parametrize("others_waited", [4.0, 8.0, 25.0])
def test_a_wait_takes_few_looks_and_no_tries_until_the_turn_is_near(others_waited: float) -> None:
    clock = Clock()
    start, line, ids, looks = clock.now(), GroupLine(clock.host(), RETRY), count(), 0
    line.add_failed_try()
    line.add_look(holder(others_waited, "sg"))
    while line.is_far:
        clock.sleep(line.pause)
        line.add_look(holder(others_waited, f"sg-{next(ids)}"))
        looks += 1
    assert others_waited - group_line.NEAR_SECONDS <= clock.now() - start <= others_waited + 0.25
    assert looks <= 6 + others_waited / group_line.MAX_PAUSE_SECONDS
    assert line.waited == pytest.approx(clock.now() - start)


def test_who_has_waited_longest_tries_most_often() -> None:
    clock = Clock()
    lines = []
    for _ in range(3):
        lines.append(GroupLine(clock.host(), RETRY))
        clock.time += 0.5
    clock.time += 7.5
    for line in lines:
        line.add_look(holder(8.0))
    first, _, last = (line.pause for line in lines)
    assert first < last <= 0.25


def test_one_that_holds_it_for_long_is_tried_less_and_less() -> None:
    clock = Clock()
    line = GroupLine(clock.host(), RETRY)
    line.add_look(holder(0.0))
    for _ in range(60):
        line.add_failed_try()
        if line.wants_look:
            line.add_look(holder(0.0))
        clock.sleep(line.pause)
    assert len([pause for pause in clock.sleeps if pause < 0.1]) <= group_line.QUICK_TRIES + 2
    assert all(0.75 * RETRY <= pause <= 1.25 * RETRY for pause in clock.sleeps[-40:])


def test_a_holder_that_did_not_wait_does_not_call_everybody_to_the_front() -> None:
    line = GroupLine(Clock().host(), RETRY)
    line.add_look(holder(10.0, "in its turn"))
    line.add_look(holder(0.0, "by chance"))
    assert line.is_far
    for number in range(20):
        line.add_look(holder(0.0, f"later {number}"))
    assert not line.is_far


def test_who_comes_back_pauses_and_looks_until_the_lock_is_free_for_long() -> None:
    clock = Clock()
    line = GroupLine(clock.host(), RETRY, known_wait=8.0)
    assert 0.75 * group_line.RETURN_SECONDS <= line.first_pause <= group_line.RETURN_SECONDS
    for _ in range(group_line.EMPTY_LOOKS):
        assert line.is_far
        line.add_look(None)
        assert line.pause <= 1.25 * group_line.AGAIN_SECONDS
    assert not line.is_far
    assert line.waited == 4.0, "the line gets shorter"
    line.add_failed_try()
    assert line.is_far, "others were only between two of them"


def test_a_line_is_over_soon_after_the_last_of_it() -> None:
    waited, takes = 30.0, 0
    while GroupLine(Clock().host(), RETRY, waited).first_pause:
        line = GroupLine(Clock().host(), RETRY, waited)
        for _ in range(group_line.EMPTY_LOOKS):
            line.add_look(None)
        waited, takes = line.waited, takes + 1
    assert takes <= 6


NUMBERS = st.floats(0.0, 1e9)
STEPS = st.lists(
    st.tuples(st.floats(-1e9, 1e9), st.sampled_from(["try", "none", "same", "next"]), NUMBERS), max_size=60
)


@given(known=NUMBERS, steps=STEPS)
def test_whatever_the_clocks_say_a_pause_is_bounded_and_a_free_lock_is_tried(
    known: float, steps: list[tuple[float, str, float]]
) -> None:
    clock, ids = Clock(), count()
    line = GroupLine(clock.host(), RETRY, known)
    for step, what, waited in steps:
        clock.time += step
        if what == "try":
            line.add_failed_try()
        else:
            name = "the same" if what == "same" else f"sg-{next(ids)}"
            line.add_look(None if what == "none" else holder(waited, name))
        assert 0 <= line.first_pause <= group_line.RETURN_SECONDS
        assert 0 < line.pause <= LONGEST_PAUSE
        assert line.waited >= 0
    for _ in range(group_line.EMPTY_LOOKS):
        line.add_look(None)
    assert not line.is_far


def test_a_wait_that_a_wrong_clock_tells_counts_for_a_quarter_of_an_hour() -> None:
    clock = Clock()
    line = GroupLine(clock.host(), RETRY)
    line.add_look(holder(1e9))
    clock.time += group_line.MAX_WAIT_SECONDS
    assert not line.is_far
