"""Histories for a given time on all cores: `make soak SECONDS=600`, from `FROM=` on. `make soak SEED=…` shows one.

Exit status 1 if a promise was broken: the seeds are printed, each with its broken promise.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.histories import steps
from tests.simulation.histories.cases import outcome_of, report
from tests.simulation.histories.outcome import Outcome
from tests.simulation.histories.plan import AFTER_REPLY, IN_LAMBDA, IN_TWO_BUCKETS, ON_NFS
from tests.simulation.histories.transactions import SEEDS
from tests.simulation.world.scheduler import START

USUAL_FIRST = 1_000_000  # those of the tests are below
KINDS = ("", SEEDS, steps.SEEDS, ON_NFS, AFTER_REPLY, IN_LAMBDA, IN_TWO_BUCKETS)  # what their seeds begin with


@dataclass(slots=True)
class Tally:
    histories: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    simulated_seconds: float = 0.0
    broken: list[str] = field(default_factory=list)  # seed and promise

    def add(self, outcome: Outcome) -> None:
        self.histories += 1
        self.faults.update(outcome.counted_faults())
        self.counts.update(outcome.counted())
        self.simulated_seconds += outcome.history.now() - START
        self.broken += [f"seed {outcome.plan.seed}: {violation}" for violation in outcome.history.violations[:1]]

    def merge(self, other: Tally) -> None:
        self.histories += other.histories
        self.counts.update(other.counts)
        self.faults.update(other.faults)
        self.simulated_seconds += other.simulated_seconds
        self.broken += other.broken


def soak(first: int, step: int, until: float) -> Tally:
    """Run the seeds first, first + step, … until that time, and each in every kind of history."""
    tally, seed = Tally(), first
    while time.time() < until:
        for kind in KINDS:
            tally.add(outcome_of(f"{kind}{seed}"))
        seed += step
    return tally


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="soak", description="Simulated histories, each of them checked.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=USUAL_FIRST, help="the first seed")
    parser.add_argument("--seed", help="show this history, and no other")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    if given.seed:
        outcome = outcome_of(given.seed)
        print(report(outcome))
        return int(bool(outcome.history.violations))
    began = time.time()
    whole = Tally()
    with ProcessPoolExecutor(given.processes) as pool:
        until = began + given.seconds
        parts = [pool.submit(soak, given.first + n, given.processes, until) for n in range(given.processes)]
        for part in parts:
            whole.merge(part.result())
    _print(whole, time.time() - began)
    return int(bool(whole.broken))


def _print(tally: Tally, seconds: float) -> None:
    rate = tally.histories / seconds
    print(f"{tally.histories:,} histories in {seconds:.0f} s ({rate:.1f} a second), {len(tally.broken)} violations")
    print(f"{tally.simulated_seconds / 3600:,.0f} hours simulated")
    for title, counts in (("", tally.counts), (f"{sum(tally.faults.values()):,} faults:", tally.faults)):
        if title:
            print(title)
        for name, count in counts.most_common():
            print(f"  {count:>10,} {name}")
    for line in tally.broken[:20]:
        print(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
