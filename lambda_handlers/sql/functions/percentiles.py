"""`median`, `percentile`, `percentile_cont` and `percentile_disc`, for an SQLite that has none of them: the one of the
functions on Python 3.10 and 3.11. They are aggregates only there, and no window functions.
"""

from __future__ import annotations

import math

import apsw

from lambda_handlers.wire import SldbError


class Percentile:
    """One of the aggregates, over one group."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers: list[float] = []
        self._fraction: float | None = None

    def step(self, value: apsw.SQLiteValue, fraction: apsw.SQLiteValue = 0.5) -> None:
        largest = 100 if self._name == "percentile" else 1
        if not isinstance(fraction, (int, float)) or not 0 <= fraction <= largest:
            raise self._error(f"the fraction is a number from 0 to {largest}")
        if self._fraction not in (None, fraction / largest):
            raise self._error("the fraction is the same for all rows")
        self._fraction = fraction / largest
        if value is None:
            return
        if not isinstance(value, (int, float)) or math.isinf(value):
            raise self._error("the values are numbers")
        self._numbers.append(float(value))

    def final(self) -> float | None:
        if not self._numbers or self._fraction is None:
            return None
        self._numbers.sort()
        place = self._fraction * (len(self._numbers) - 1)
        low = self._numbers[math.floor(place)]
        if self._name == "percentile_disc":
            return low
        high = self._numbers[math.ceil(place)]
        return low + (high - low) * (place - math.floor(place))

    def _error(self, message: str) -> SldbError:
        return SldbError("sql_error", f"{self._name}: {message}")
