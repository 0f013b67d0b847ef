"""Histories as test cases: run them, check them, and report a failure with the means to repeat it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tests.simulation.checking import checker
from tests.simulation.histories import plan
from tests.simulation.histories.outcome import Outcome
from tests.simulation.histories.plan import Plan
from tests.simulation.histories.run import run


def outcome_of(which: Plan | int | str, left_out: Collection[str] = ()) -> Outcome:
    """Run and check a plan, or the plan of a seed."""
    made = which if isinstance(which, Plan) else plan.make(str(which))
    outcome = run(made, left_out)
    checker.check(outcome)
    return outcome


def check_seeds(seeds: Iterable[int | str]) -> None:
    for seed in seeds:
        outcome = outcome_of(seed)
        assert not outcome.history.violations, report(outcome)


def report(outcome: Outcome) -> str:
    broken = "\n".join(map(str, outcome.history.violations))
    return f"seed {outcome.plan.seed} (again: make soak SEED={outcome.plan.seed})\n{outcome.history.text()}\n{broken}"
