"""The checker is checked: bugs that are planted in the product's code must be found, each within so many seeds."""

from __future__ import annotations

import pytest

from tests.simulation.bugs.planting import Bug
from tests.simulation.bugs.table import BUGS, ONE_OF_EACH_SUBJECT
from tests.simulation.histories.cases import outcome_of, report
from tests.simulation.histories.outcome import Outcome
from tests.simulation.histories.shrink import fewest, shrink

RUNS_TO_SHRINK = 40


def first_found(bug: Bug) -> Outcome:
    for seed in range(bug.looks_from, bug.within):
        outcome = outcome_of(f"{bug.prefix}{seed}")
        if outcome.history.violations:
            return outcome
    pytest.fail(f"{bug.name}: not found within {bug.within} seeds")


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found_and_found_again(bug: Bug) -> None:
    with bug.planted():
        found = first_found(bug)
        again = outcome_of(found.plan.seed)

    assert not outcome_of(found.plan.seed).history.violations  # without the bug
    assert again.history.text() == found.history.text()
    assert "VIOLATION" in report(found)


@pytest.mark.long
@pytest.mark.parametrize("bug", ONE_OF_EACH_SUBJECT, ids=lambda bug: bug.name)
def test_its_history_shrinks(bug: Bug) -> None:
    """One of each subject, since this is about the shrinking: it takes ten times as many histories."""
    with bug.planted():
        found = first_found(bug)
        shrunk = shrink(found, RUNS_TO_SHRINK)
        once_more = outcome_of(shrunk.smallest.plan, shrunk.left_out)

    assert shrunk.promise in [violation.promise for violation in shrunk.smallest.history.violations]
    assert once_more.history.text() == shrunk.smallest.history.text()
    assert len(shrunk.smallest.plan.operations) < len(found.plan.operations)


def test_few_are_left_of_many() -> None:
    tried: list[list[int]] = []

    def fails(kept: list[int]) -> bool:
        tried.append(list(kept))
        return {3, 17} <= set(kept)

    assert fewest(range(40), fails) == [3, 17]
    assert len(tried) < 60
