"""Shrinking: reduces a history that breaks a promise to fewer operations and fewer faults that break the same promise.

Delta debugging (Zeller and Hildebrandt, 2002): leave out a half, then quarters, and so on, and keep the parts that
still fail. Leaving out one part changes no other, because every decision has a name of its own (chance).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tests.simulation.histories.cases import outcome_of
from tests.simulation.histories.outcome import Outcome
from tests.simulation.histories.plan import Operation

T = TypeVar("T")


@dataclass(slots=True)
class Shrinking:
    """`smallest` breaks `promise`. At most `runs_left` histories are run for it."""

    smallest: Outcome
    promise: str
    runs_left: int
    left_out: tuple[str, ...] = ()  # calls that nothing happens to

    def fails(self, operations: Sequence[Operation], left_out: Sequence[str]) -> bool:
        if self.runs_left <= 0:
            return False
        self.runs_left -= 1
        outcome = outcome_of(replace(self.smallest.plan, operations=tuple(operations)), left_out)
        if not any(violation.promise == self.promise for violation in outcome.history.violations):
            return False
        self.smallest, self.left_out = outcome, tuple(left_out)
        return True


def shrink(outcome: Outcome, most_runs: int = 400) -> Shrinking:
    """Shrink an outcome with a violation."""
    shrinking = Shrinking(outcome, outcome.history.violations[0].promise, most_runs)
    fewest(outcome.plan.operations, lambda kept: shrinking.fails(kept, ()))
    met = tuple(shrinking.smallest.faults)
    kept = shrinking.smallest.plan.operations
    fewest(met, lambda faults: shrinking.fails(kept, [name for name in met if name not in faults]))
    return shrinking


def fewest(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Return few of the items that still fail, in their order."""
    kept, size = list(items), max(1, len(items) // 2)
    while kept:
        at, before = 0, len(kept)
        while at < len(kept):
            fewer = kept[:at] + kept[at + size :]
            if fails(fewer):
                kept = fewer
            else:
                at += size
        if size == 1 and len(kept) == before:
            break
        size = max(1, size // 2)
    return kept
