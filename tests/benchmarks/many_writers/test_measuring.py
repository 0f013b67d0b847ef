"""Many writers of one database, in simulated time: so the rates are counts, and the same on any machine."""

from __future__ import annotations

import pytest

from benchmarks.many_writers.machines import EC2_CHANGES_A_SECOND, PUT_SECONDS
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


@pytest.mark.parametrize(("writers", "seconds"), [(2, 20.0), (8, 12.0)])
def test_a_lock_of_ec2_goes_from_one_to_the_other(writers: int, seconds: float) -> None:
    result = measure("security-group", writers, seconds)
    assert not result.failures
    assert min(result.commits) > 0
    assert result.a_second >= 1.3


@pytest.mark.long
@pytest.mark.parametrize("writers", [8, 16])
def test_a_lock_of_ec2_leaves_nobody_out(writers: int) -> None:
    result = measure("security-group", writers, seconds=40.0)
    assert not result.failures
    assert min(result.commits) >= 0.3 * sum(result.commits) / writers
    assert result.a_second >= 0.35 * EC2_CHANGES_A_SECOND


def test_one_writer_asks_ec2_for_nothing_but_the_lock() -> None:
    result = measure("security-group", 1, seconds=6.0)
    begun = sum(result.commits) + 1  # the last one ends after the time
    calls = [result.requests[verb] for verb in ("create group", "delete group", "describe groups")]
    assert calls == [begun, begun, 0]


def test_a_run_repeats() -> None:
    first, second = (measure("none", 3, seconds=1.0) for _ in range(2))
    assert (first.commits, first.requests, first.latencies) == (second.commits, second.requests, second.latencies)
