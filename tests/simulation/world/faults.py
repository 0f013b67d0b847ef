"""Faults: the possible faults of one call to the store, to EC2 or to the clock, and their rates in one history.

Answers of the store may also be damaged (`DAMAGE`): they differ from the stored object without showing it. The store
decides which answers may take which damage (bucket).

Every history has a profile of its own: some kinds of faults off, others rare, others frequent ("swarm testing"), since
one fault may hide another. The name of a call decides whether a fault happens, so that it can be left out by that name
when a history is shrunk.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

from tests.simulation.world.chance import Chance


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
    DENIED = "403 for its own"  # applied, sent again on the way, and refused then
    TWICE = "delivered twice"  # applied and answered; the same request comes again some time later
    FLIP = "bit flipped"  # in the answer
    SHORT = "answer short"  # of an object that seems to end early
    STALE = "answer stale"  # what was there earlier


AT_READS = (
    *(Fault.LOSE_REQUEST, Fault.THROTTLE, Fault.BROKEN, Fault.BUSY, Fault.SLOW),
    *(Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.FREEZE_BEFORE, Fault.FREEZE_AFTER),
)
AT_WRITES = (*AT_READS, Fault.LOSE_ANSWER, Fault.LATE, Fault.OWN, Fault.CLASH, Fault.REFUSE, Fault.TWICE, Fault.DENIED)
AFTER_REPLY = (Fault.CRASH_BEFORE, Fault.FREEZE_BEFORE)
AT_CLOCK = (Fault.FREEZE_BEFORE, Fault.FREEZE_AFTER, Fault.STEP, Fault.CRASH_BEFORE)
NOT_APPLIED = frozenset({Fault.LOSE_REQUEST, Fault.THROTTLE, Fault.BROKEN, Fault.BUSY})
DAMAGE = frozenset({Fault.FLIP, Fault.SHORT, Fault.STALE})
BEFORE = frozenset({Fault.CRASH_BEFORE, Fault.FREEZE_BEFORE})
_IN_ORDER = sorted(DAMAGE, key=lambda fault: fault.name)

_RATES = (0.0, 0.0, 0.002, 0.006, 0.015)  # of one kind, in one history
_INTENSITIES = (0.1, 0.4, 1.0)  # of all of them
_DAMAGES = (0.0, 0.0, 1.0, 2.0, 10.0)
_WRITES_FAIL_MORE = 2.5  # there are fewer of them, and their faults are the interesting ones
_CLOCK_FAILS_LESS = 0.05  # there are very many of those
_RATES_AFTER_REPLY = (0.0, 0.05, 0.25)  # there is one such moment in a request
_MORE_OR_LESS = {
    Fault.OWN: 2.0,
    Fault.LOSE_ANSWER: 1.5,
    Fault.LATE: 1.5,
    Fault.REFUSE: 0.2,
    Fault.DENIED: 0.4,
    Fault.CRASH_BEFORE: 0.5,
    Fault.CRASH_AFTER: 0.5,
    Fault.FREEZE_BEFORE: 0.4,
    Fault.FREEZE_AFTER: 0.4,
    Fault.FLIP: 4.0,
    Fault.SHORT: 2.0,
    Fault.STALE: 2.0,
}


@dataclass(frozen=True, slots=True)
class Meeting:
    """The fate of one call."""

    fault: Fault
    going: float  # seconds until it is applied
    coming: float  # seconds from there to the answer
    size: float  # of the fault, in [0, 1)


_NOTHING = Meeting(Fault.NONE, 0.0, 0.0, 0.0)


class Faults:
    """The faults of a history. `left_out`: the names of calls without a fault. `met`: those with one."""

    def __init__(self, chance: Chance, left_out: Collection[str] = ()) -> None:
        self._chance = chance
        self._left_out = frozenset(left_out)
        self.met: dict[str, Fault] = {}
        self.is_over = False  # from now on all is well
        rates = {fault: self._rate(fault) for fault in Fault}
        self._reads = _cumulated([(fault, rates[fault]) for fault in AT_READS])
        how_much = chance.choice("damage", _DAMAGES)
        self._damage = [(fault, rates[fault] * how_much) for fault in _IN_ORDER if rates[fault] * how_much]
        self._writes = _cumulated([(fault, rates[fault] * _WRITES_FAIL_MORE) for fault in AT_WRITES])
        self._clock = _cumulated([(fault, rates[fault] * _CLOCK_FAILS_LESS) for fault in AT_CLOCK])
        rate_after_reply = chance.choice("rate after replies", _RATES_AFTER_REPLY)
        self._after_reply = _cumulated([(fault, rate_after_reply) for fault in AFTER_REPLY])
        self.latency_seconds = chance.choice("latency", (0.005, 0.02, 0.1))

    def _rate(self, fault: Fault) -> float:
        intensity = self._chance.choice("intensity", _INTENSITIES)
        return self._chance.choice(f"rate of {fault.name}", _RATES) * _MORE_OR_LESS.get(fault, 1.0) * intensity

    def at_read(self, name: str, damage: Collection[Fault] = (), likely: float = 1.0) -> Meeting:
        """Decide about a read. `damage`: the kinds of it that the answer may take; `likely`: so many times as often as
        others."""
        meeting = self._meet(name, self._reads)
        if meeting.fault is not Fault.NONE or not damage or not self._damage:
            return meeting
        if self.is_over or name in self._left_out:
            return meeting
        which, size = self._chance.numbers(f"{name} damage", 2)
        table = _cumulated([(fault, rate * likely) for fault, rate in self._damage if fault in damage])
        fault = next((fault for limit, fault in table if which < limit), Fault.NONE)
        if fault is not Fault.NONE:
            self.met[name] = fault
        return replace(meeting, fault=fault, size=size)

    def at_write(self, name: str) -> Meeting:
        return self._meet(name, self._writes)

    def after_reply(self, name: str) -> Meeting:
        """Decide about the moment between a reply and the work after it."""
        return self._meet(name, self._after_reply)

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
