"""The states of alarms: periods, missing data, and the number of them that must be beyond the threshold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.monitoring.alarm_states import ALARM, INSUFFICIENT, OK, Rule, judge

NOW = 1_800_000_000.0  # a whole minute
SUM = Rule("GreaterThanOrEqualToThreshold", 3, 300, 1, 1, "Sum", "notBreaching")


def at(*ages: float, value: float = 1.0) -> list[tuple[float, float]]:
    return [(NOW - age, value) for age in ages]


def state(rule: Rule, values: list[tuple[float, float]], before: str = OK) -> str:
    return judge(rule, values, NOW, before).state


@pytest.mark.parametrize(
    ("ages", "wanted"),
    [
        ((1, 100, 300), ALARM),
        ((1, 100), OK),
        ((1, 100, 301), OK),  # the last is of the period before
        ((0, 1, 100), OK),  # and this one of the next
        ((), OK),
    ],
)
def test_a_period_begins_with_its_first_moment_and_ends_before_the_next(ages: tuple[float, ...], wanted: str) -> None:
    assert state(SUM, at(*ages)) == wanted


def test_some_of_several_periods_are_enough_where_the_rule_says_so() -> None:
    rule = replace(SUM, threshold=1, periods=3, to_alarm=2)
    assert state(rule, at(1)) == OK
    assert state(rule, at(1, 700)) == ALARM
    assert state(rule, at(700, 1000)) == OK


@pytest.mark.parametrize(
    ("missing", "wanted"), [("breaching", ALARM), ("notBreaching", OK), ("ignore", ALARM), ("missing", INSUFFICIENT)]
)
def test_no_data_at_all(missing: str, wanted: str) -> None:
    rule = Rule("LessThanThreshold", 1, 900, 2, 2, "Sum", missing)
    assert state(rule, [], ALARM) == wanted


def test_a_late_run_is_one_without_data_for_all_periods() -> None:
    late = Rule("LessThanThreshold", 1, 900, 2, 2, "Sum", "breaching")
    assert state(late, at(1000)) == OK
    assert state(late, at(1801)) == ALARM


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("Sum", 10.0), ("Average", 2.5), ("Minimum", 1.0), ("Maximum", 4.0), ("SampleCount", 4.0), ("p50", 2.0)],
)
def test_the_statistics(statistic: str, value: float) -> None:
    values = [(NOW - 10, each) for each in (4.0, 1.0, 2.0, 3.0)]
    for threshold, wanted in ((value, ALARM), (value + 0.01, OK)):
        rule = Rule("GreaterThanOrEqualToThreshold", threshold, 60, 1, 1, statistic, "missing")
        assert state(rule, values) == wanted


@given(st.lists(st.tuples(st.floats(0, 4000), st.floats(0, 10))), st.integers(1, 4), st.data())
def test_more_data_beyond_the_threshold_never_ends_an_alarm(
    points: list[tuple[float, float]], periods: int, data: st.DataObject
) -> None:
    to_alarm = data.draw(st.integers(1, periods))
    rule = Rule("GreaterThanThreshold", 5, 300, periods, to_alarm, "Maximum", "notBreaching")
    values = [(NOW - age, value) for age, value in points]
    before = state(rule, values)
    after = state(rule, [*values, (NOW - data.draw(st.floats(1, 299)), 9.0)])
    assert before == OK or after == ALARM
