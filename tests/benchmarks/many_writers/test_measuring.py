"""Many writers of one database, in simulated time: so the rates are counts, and the same on any machine."""

from __future__ import annotations

import pytest

from benchmarks.many_writers.machines import PUT_SECONDS
from benchmarks.many_writers.measuring import measure

SERIAL_RATE = 1 / PUT_SECONDS  # commits a second of a store that takes one after the other


@pytest.mark.long
@pytest.mark.parametrize(("lock", "share"), [("none", 0.5), ("s3", 0.25)])
def test_eight_writers_have_their_share_of_the_serial_rate(lock: str, share: float) -> None:
    result = measure(lock, 8, seconds=4.0)
    assert not result.failures
    assert result.a_second >= share * SERIAL_RATE
    assert sum(result.commits) == len(result.latencies)
    assert min(result.commits) > 0, "one is left out"


@pytest.mark.long
def test_an_object_that_many_writers_wait_for_is_everybodys() -> None:
    result = measure("s3", 16, seconds=5.0)
    assert not result.failures
    assert min(result.commits) >= 0.3 * sum(result.commits) / 16


def test_a_lock_of_ec2_goes_on_for_two_writers() -> None:
    result = measure("security-group", 2, seconds=20.0)
    assert not result.failures
    assert min(result.commits) > 0
    assert result.a_second >= 1


def test_a_run_repeats() -> None:
    first, second = (measure("none", 3, seconds=1.0) for _ in range(2))
    assert (first.commits, first.requests, first.latencies) == (second.commits, second.requests, second.latencies)
