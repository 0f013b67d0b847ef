"""A step of a long operation: its amounts, and the text about them, with rate and time left. Pure.

The operation adds to the amounts, and another thread reads them: each amount is one entry of a dictionary, so no read
sees half a change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from sldb import report

_STEADY_SECONDS = 0.5  # earlier, a rate would jump


class Step:
    def __init__(
        self, what: str, totals: Mapping[str, int | None] | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`totals`: the units of the work, the most important one first, each with its amount if that is known."""
        self.what = what
        self.begun_at = now()
        self._now = now
        self._totals = dict(totals or {})
        self._done = dict.fromkeys(self._totals, 0)

    def advance(self, amounts: Mapping[str, int]) -> None:
        """Add to the amounts. A unit that was not announced is one without a total."""
        for unit, amount in amounts.items():
            self._done[unit] = self._done.get(unit, 0) + amount

    @property
    def part(self) -> float | None:
        """The part of the work that is done, from 0 to 1; None if that is unknown. An estimate that was too low counts
        as unknown."""
        parts = [self._done[unit] / total for unit, total in self._totals.items() if total]
        return parts[0] if parts and parts[0] <= 1 else None

    def phrases(self) -> Iterator[str]:
        """Yield the amounts, the rate and the time left: "412,000 rows", "98,000 rows/s", "2 s left"."""
        seconds = self._now() - self.begun_at
        for unit, amount in self._done.items():
            yield self._amount(unit, amount)
        is_steady = seconds >= _STEADY_SECONDS
        measured = [unit for unit, amount in self._done.items() if amount and unit in ("rows", "bytes")]
        if measured and is_steady:
            yield f"{_quantity(measured[0], self._done[measured[0]] / seconds)}/s"
        if self.part and is_steady:
            yield f"{_time(seconds * (1 - self.part) / self.part)} left"
        else:
            yield _time(seconds)

    def _amount(self, unit: str, amount: int) -> str:
        total = self._totals.get(unit)
        if unit in ("rows", "bytes"):
            return _quantity(unit, amount)
        return f"{amount:,} {unit}" if total is None else f"{amount:,} of {total:,} {unit}"


def _quantity(unit: str, amount: float) -> str:
    return report.size(amount) if unit == "bytes" else f"{amount:,.0f} {unit}"


def _time(seconds: float) -> str:
    """Return a text such as "12 s", "3 min 5 s" or "2 h 10 min"."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"
