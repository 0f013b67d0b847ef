"""What the past costs: few LISTs, in a log of 100,000 transactions too, of a small database that is written each second
as well."""

from __future__ import annotations

import pytest

from benchmarks.curves.past import OPERATIONS, LogOf, log_of, rounds_of, small_log_of


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("made", [log_of, small_log_of])
def test_at_most_eight_lists(made: LogOf, operation: str) -> None:
    log = made(100_000)
    rounds_of(log, OPERATIONS[operation], 100_000)
    assert 2 <= log.asked["LIST"] <= 5


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if "time" not in name])
def test_a_log_of_a_hundred_times_as_many_takes_no_more_rounds(operation: str) -> None:
    short, long = (rounds_of(log_of(count), OPERATIONS[operation], count) for count in (1000, 100_000))
    assert long <= short
