"""The state of an alarm, from the data of its metric. Pure.

An alarm looks at its last N periods (EvaluationPeriods), which end with the last whole minute. It is in ALARM if M of
them (DatapointsToAlarm, by default N) are beyond the threshold. TreatMissingData says what a period without data is:
breaching, notBreaching, ignore (the state stays, if there is too little else), missing (the default: all missing is
INSUFFICIENT_DATA). AWS also looks at some periods before those where newer ones are missing, "evaluation range", by a
number that it does not document: here there are none. Source: "Configuring how CloudWatch alarms treat missing data".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
_MINUTE = 60

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {
        "GreaterThanThreshold": lambda value, threshold: value > threshold,
        "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
        "LessThanThreshold": lambda value, threshold: value < threshold,
        "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of an alarm on one metric."""

    comparison: str
    threshold: float
    period_seconds: int
    periods: int
    to_alarm: int
    statistic: str  # Sum, Average, Minimum, Maximum, SampleCount, or a percentile such as p90
    missing: str  # breaching, notBreaching, ignore, missing

    @property
    def span_seconds(self) -> int:
        return self.period_seconds * self.periods


@dataclass(frozen=True, slots=True)
class Verdict:
    state: str
    reason: str


def judge(rule: Rule, values: Iterable[tuple[float, float]], now: float, state: str) -> Verdict:
    """Return the state at `now` (unix seconds). `values`: (unix seconds, value); `state`: the present one."""
    periods = _by_period(rule, values, now)
    compare = _COMPARISONS[rule.comparison]
    breaching = [compare(value, rule.threshold) for value in periods if value is not None]
    missing = len(periods) - len(breaching)
    shown = ", ".join("none" if value is None else f"{value:g}" for value in periods)
    reason = (
        f"Threshold Crossed: {sum(breaching)} of the last {rule.periods} periods [{shown}] {rule.comparison} "
        f"{rule.threshold:g}; missing data is {rule.missing}"
    )
    beyond = sum(breaching) + (missing if rule.missing == "breaching" else 0)
    if beyond >= rule.to_alarm:
        return Verdict(ALARM, reason)
    if not missing or rule.missing in ("breaching", "notBreaching"):
        return Verdict(OK, reason)
    if rule.missing == "ignore":
        return Verdict(state if sum(breaching) + missing >= rule.to_alarm else OK, reason)
    return Verdict(OK if breaching else INSUFFICIENT, reason)


def _by_period(rule: Rule, values: Iterable[tuple[float, float]], now: float) -> list[float | None]:
    """Return the statistic of each period, the newest first; None for one without data."""
    end = now // _MINUTE * _MINUTE
    found: list[list[float]] = [[] for _ in range(rule.periods)]
    for at, value in values:
        number = math.floor((end - at) / rule.period_seconds) if at < end else -1
        if (end - at) % rule.period_seconds == 0:  # a period begins with its first moment, and ends before the next
            number -= 1
        if 0 <= number < rule.periods:
            found[number].append(value)
    return [_statistic(rule.statistic, each) if each else None for each in found]


def _statistic(name: str, values: Sequence[float]) -> float:
    match name:
        case "Sum":
            return sum(values)
        case "Average":
            return sum(values) / len(values)
        case "Minimum":
            return min(values)
        case "Maximum":
            return max(values)
        case "SampleCount":
            return float(len(values))
    rank = math.ceil(float(name.removeprefix("p")) / 100 * len(values))
    return sorted(values)[max(0, rank - 1)]
