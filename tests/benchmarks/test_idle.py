"""Databases without work: a minute of the scheduled function costs the same few requests, whatever their number."""

from __future__ import annotations

import pytest

from benchmarks.idle import KINDS, dollars_a_month, idle_store, minutes


@pytest.mark.long
def test_a_minute_with_ten_thousand_databases_takes_at_most_five_requests() -> None:
    """A minute in which the sweep reads a page, and no other is dearer."""
    store = idle_store(10_000)
    for kind in KINDS:
        assert [minute.requests for minute in minutes(store, kind, 2)] == [4 if kind == "none" else 5] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_after_the_sweep_a_minute_takes_three(kind: str) -> None:
    day = minutes(idle_store(500), kind, 20)
    assert [minute.requests for minute in day[-3:]] == [2 if kind == "none" else 3] * 3
    assert dollars_a_month(day[-1:]) * 1440 < 0.5
