"""Eleven hundred histories, a hundred with interactive transactions, a hundred with undo and notes, forty with an
extension: every promise holds in each (see checker)."""

from __future__ import annotations

import pytest

from tests.simulation.histories import steps
from tests.simulation.histories.cases import check_seeds
from tests.simulation.histories.plan import IN_LAMBDA
from tests.simulation.histories.transactions import SEEDS

pytestmark = pytest.mark.long

AT_ONCE = 20  # in one test
KINDS = {SEEDS: 100, steps.SEEDS: 100, IN_LAMBDA: 40}  # prefix of the seeds, and how many


@pytest.mark.parametrize("first", range(0, 1100, AT_ONCE))
def test_every_promise_holds(first: int) -> None:
    check_seeds(range(first, first + AT_ONCE))


@pytest.mark.parametrize(
    ("prefix", "first"),
    [(prefix, first) for prefix, count in KINDS.items() for first in range(0, count, AT_ONCE)],
)
def test_every_promise_holds_for_histories_of_one_kind(prefix: str, first: int) -> None:
    check_seeds(f"{prefix}{number}" for number in range(first, first + AT_ONCE))
