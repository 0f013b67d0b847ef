"""Periods of quotas."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.gateway.rest_api.usage import period_name

TIMES = st.integers(min_value=0, max_value=4_000_000_000)


@given(TIMES)
def test_a_period_begins_at_midnight_and_has_its_length(now: int) -> None:
    midnight = now - now % 86_400
    for period in ("DAY", "WEEK", "MONTH"):
        assert period_name(period, now) == period_name(period, midnight) == period_name(period, midnight + 86_399.9)
    assert period_name("DAY", now) != period_name("DAY", now + 86_400)
    assert period_name("WEEK", now) != period_name("WEEK", now + 7 * 86_400)
    assert period_name("MONTH", now) != period_name("MONTH", now + 31 * 86_400)


@given(TIMES)
def test_a_week_changes_on_sunday_only(now: int) -> None:
    is_sunday = time.gmtime(now + 86_400).tm_wday == 6
    assert (period_name("WEEK", now) != period_name("WEEK", now + 86_400)) == is_sunday


@pytest.mark.parametrize(("now", "name"), [(0, "1970-01"), (1_709_251_199, "2024-02"), (1_709_251_200, "2024-03")])
def test_months(now: int, name: str) -> None:
    assert period_name("MONTH", now) == name
