"""The line: who has waited longest comes first, at few looks, and nobody pays for it who does not wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.locks import line
from lambda_handlers.locks.line import IsFree, Place, place_of
from tests.fakes.clock import Clock

FIRST, LONGEST = 0.02, 0.25
LONGEST_PAUSE = 1.25 * line.MAX_PAUSE_SECONDS


def looks_until(clock: Clock, place: Place, waited: float, others_waited: float) -> list[float]:
    """Return the times of the looks of a writer whose turn comes after `waited`, the holders' after `others_waited`."""
    start, times, number = clock.now(), [], 0
    while clock.now() < start + waited:
        number += 1
        place(place.pause_for(f"holder {number}", others_waited, FIRST, LONGEST))
        times.append(clock.now() - start)
    return times


@pytest.mark.parametrize("others_waited", [1.0, 8.0, 25.0])
def test_a_wait_takes_few_looks_however_long_it_is(others_waited: float) -> None:
    clock = Clock()
    times = looks_until(clock, Place(clock.host()), line.NEAR_SHARE * others_waited, others_waited)
    assert len(times) <= 12 + others_waited / line.MAX_PAUSE_SECONDS
    assert max(clock.sleeps) <= LONGEST_PAUSE


def test_whose_turn_is_near_looks_often() -> None:
    clock = Clock()
    place = Place(clock.host())
    clock.time += 2.0
    assert place.pause_for("a", 2.0, FIRST, LONGEST) <= 1.25 * FIRST
    assert place.pause_for("b", 0.0, FIRST, LONGEST) <= 1.25 * FIRST
    assert place.pause_for("c", 20.0, FIRST, LONGEST) > 1.0


def test_one_that_holds_it_for_long_is_looked_at_less_and_less() -> None:
    clock = Clock()
    place = Place(clock.host())
    for _ in range(200):
        place(place.pause_for("the same", 0.0, FIRST, LONGEST))
    assert len([pause for pause in clock.sleeps if pause <= 1.25 * FIRST]) <= line.QUICK_LOOKS + 1
    assert all(0.75 * LONGEST <= pause <= 1.25 * LONGEST for pause in clock.sleeps[-100:])


def test_many_who_have_waited_equally_long_look_less_often() -> None:
    clock = Clock()
    place = Place(clock.host())
    for number in range(40):
        clock.time += 0.1
        pause = place.pause_for(f"holder {number}", clock.now() - 1_800_000_000.0, FIRST, LONGEST)
    assert pause >= 0.75 * LONGEST


def test_a_free_lock_is_left_once_to_those_who_have_waited_longer() -> None:
    clock = Clock()
    place = Place(clock.host())
    assert place.leaves("v1", 4.0)
    assert place.has_left("v1")
    assert not place.leaves("v1", 4.0)
    assert place.waited == 2.0, "the line gets shorter"
    assert place.leaves("v2", 4.0), "another one has had it meanwhile"
    clock.time += 4.0 * line.FRONT_SHARE + 0.1
    assert not place.leaves("v3", 4.0)


def test_a_line_is_over_soon_after_the_last_of_it() -> None:
    clock, waited, takes = Clock(), 30.0, 0
    while waited:
        place = Place(clock.host())
        assert place.leaves(f"v{takes}", waited)
        waited, takes = place.waited, takes + 1
    assert takes <= 10


def test_who_meets_nobody_has_not_waited() -> None:
    clock = Clock()
    place = Place(clock.host())
    clock.time += 5.0  # the request to the store was slow
    assert place.waited == 0.0
    assert not place.leaves("v1", 0.0)


def test_a_place_tells_once_after_each_pause_that_the_lock_is_free() -> None:
    clock = Clock()
    place = Place(clock.host(), tells=True)
    place.tell_free()  # nothing had to be waited for
    for _ in range(2):
        place(1.0)
        with pytest.raises(IsFree):
            place.tell_free()
        place.tell_free()
    place(1.0)
    place.tell_no_more()
    place.tell_free()


def test_a_wait_without_a_place_gets_one_that_tells_nothing() -> None:
    clock, slept = Clock(), list[float]()
    place = place_of(clock.host(), slept.append)
    place(1.0)
    place.tell_free()
    assert slept == [1.0]
    assert place_of(clock.host(), place) is place


NUMBERS = st.floats(0.0, 1e9)


@given(waited=NUMBERS, steps=st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(0, 3)), max_size=100))
def test_whatever_the_clocks_say_a_pause_is_bounded(waited: float, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    place = Place(clock.host())
    for step, holder in steps:
        clock.time += step
        assert 0 < place.pause_for(str(holder), waited, FIRST, LONGEST) <= LONGEST_PAUSE
        assert place.waited >= 0
        place.leaves(str(holder), waited)
        assert place.waited >= 0
