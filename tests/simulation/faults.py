"""What may go wrong with one call to the store, to EC2 or to the clock, and how often it does in one history.

Every history has a profile of its own: some kinds of faults off, others rare, others frequent ("swarm testing"), since
what one fault hides another may show. Whether a fault happens is decided by the name of the call, so that it can be
left out by that name when a history is shrunk.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from tests.simulation.chance import Chance


class Fault(Enum):
    NONE = ""
    LOSE_REQUEST = "request lost"  # never arrives, and nobody answers
    LOSE_ANSWER = "answer lost"  # applied, and nobody answers
    LATE = "applied late"  # nobody answers; applied some time later
    OWN = "409 for its own"  # applied, sent again by the client library, which meets its own object
    CLASH = "409 for none"  # refused as if somebody else were there
    THROTTLE = "429"
    BROKEN = "500"
    BUSY = "503"
    REFUSE = "403"
    SLOW = "slow"
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    FREEZE_BEFORE = "freeze before"
    FREEZE_AFTER = "freeze after"
    STEP = "clock step"


AT_READS = (
    *(Fault.LOSE_REQUEST, Fault.THROTTLE, Fault.BROKEN, Fault.BUSY, Fault.SLOW),
    *(Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.FREEZE_BEFORE, Fault.FREEZE_AFTER),
)
AT_WRITES = (*AT_READS, Fault.LOSE_ANSWER, Fault.LATE, Fault.OWN, Fault.CLASH, Fault.REFUSE)
AT_CLOCK = (Fault.FREEZE_BEFORE, Fault.FREEZE_AFTER, Fault.STEP, Fault.CRASH_BEFORE)
NOT_APPLIED = frozenset({Fault.LOSE_REQUEST, Fault.THROTTLE, Fault.BROKEN, Fault.BUSY})
BEFORE = frozenset({Fault.CRASH_BEFORE, Fault.FREEZE_BEFORE})

_RATES = (0.0, 0.0, 0.002, 0.006, 0.015)  # of one kind, in one history
_INTENSITIES = (0.1, 0.4, 1.0)  # of all of them
_WRITES_FAIL_MORE = 2.5  # there are fewer of them, and their faults are the interesting ones
_CLOCK_FAILS_LESS = 0.05  # there are very many of those
_MORE_OR_LESS = {
    Fault.OWN: 2.0,
    Fault.LOSE_ANSWER: 1.5,
    Fault.LATE: 1.5,
    Fault.REFUSE: 0.2,
    Fault.CRASH_BEFORE: 0.5,
    Fault.CRASH_AFTER: 0.5,
    Fault.FREEZE_BEFORE: 0.4,
    Fault.FREEZE_AFTER: 0.4,
}


@dataclass(frozen=True, slots=True)
class Meeting:
    """What becomes of one call."""

    fault: Fault
    going: float  # seconds until it is applied
    coming: float  # seconds from there to the answer
    size: float  # of the fault, in [0, 1)


_NOTHING = Meeting(Fault.NONE, 0.0, 0.0, 0.0)


class Faults:
    """`left_out`: the names of calls that nothing happens to. `met`: those that something happened to."""

    def __init__(self, chance: Chance, left_out: Collection[str] = ()) -> None:
        self._chance = chance
        self._left_out = frozenset(left_out)
        self.met: dict[str, Fault] = {}
        self.is_over = False  # from now on all is well
        rates = {fault: self._rate(fault) for fault in Fault}
        self._reads = _cumulated([(fault, rates[fault]) for fault in AT_READS])
        self._writes = _cumulated([(fault, rates[fault] * _WRITES_FAIL_MORE) for fault in AT_WRITES])
        self._clock = _cumulated([(fault, rates[fault] * _CLOCK_FAILS_LESS) for fault in AT_CLOCK])
        self.latency_seconds = chance.choice("latency", (0.005, 0.02, 0.1))

    def _rate(self, fault: Fault) -> float:
        intensity = self._chance.choice("intensity", _INTENSITIES)
        return self._chance.choice(f"rate of {fault.name}", _RATES) * _MORE_OR_LESS.get(fault, 1.0) * intensity

    def at_read(self, name: str) -> Meeting:
        return self._meet(name, self._reads)

    def at_write(self, name: str) -> Meeting:
        return self._meet(name, self._writes)

    def at_clock(self, name: str) -> Meeting:
        # Most calls by far are these: one number tells that nothing happens.
        if self._chance.number(name) >= self._clock[-1][0]:
            return _NOTHING
        return self._meet(name, self._clock)

    def _meet(self, name: str, table: list[tuple[float, Fault]]) -> Meeting:
        which, going, coming, size = self._chance.numbers(name, 4)
        fault = Fault.NONE
        if which < table[-1][0] and not self.is_over and name not in self._left_out:
            fault = next(fault for limit, fault in table if which < limit)
            self.met[name] = fault
        scale = self.latency_seconds
        if fault is Fault.SLOW:
            scale = 1.0 + 40.0 * size**3
        return Meeting(fault, scale * (0.2 + going), scale * (0.2 + coming), size)


def _cumulated(rates: list[tuple[Fault, float]]) -> list[tuple[float, Fault]]:
    table, total = [], 0.0
    for fault, rate in rates:
        total += rate
        table.append((total, fault))
    return table
