"""Token buckets, with a clock that the test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.throttling import Limit, Throttle
from tests.fakes.clock import Clock


def test_a_burst_passes_at_once_and_then_the_rate() -> None:
    clock = Clock()
    throttle = Throttle(clock.now)
    limit = Limit(rate=2, burst=3)
    assert [throttle.take("a", limit) for _ in range(4)] == [True, True, True, False]
    assert throttle.take("b", limit)  # a bucket of its own
    clock.sleep(0.5)
    assert [throttle.take("a", limit) for _ in range(2)] == [True, False]
    clock.sleep(100)
    assert [throttle.take("a", limit) for _ in range(4)] == [True, True, True, False]


@given(st.integers(1, 20), st.integers(1, 20), st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_burst_and_rate_allow(rate: int, burst: int, waits: list[float]) -> None:
    clock = Clock()
    throttle = Throttle(clock.now)
    began_at, taken = clock.now(), 0
    for wait in waits:
        clock.sleep(wait)
        taken += throttle.take("a", Limit(rate, burst))
        assert taken <= burst + (clock.now() - began_at) * rate + 1e-6


def test_a_limit_of_nothing_lets_nothing_pass() -> None:
    assert not Throttle(Clock().now).take("a", Limit(0, 0))
