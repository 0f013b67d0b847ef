"""Five hundred further histories, a hundred with interactive transactions, a hundred with undo and notes and forty with
an extension, in a file of their own so that they run beside the first."""

from __future__ import annotations

import pytest

from tests.simulation.histories import steps
from tests.simulation.histories.cases import HISTORIES_AT_ONCE, check_seeds
from tests.simulation.histories.plan import IN_LAMBDA
from tests.simulation.histories.transactions import SEEDS

pytestmark = pytest.mark.long


@pytest.mark.parametrize("first", range(600, 1100, HISTORIES_AT_ONCE))
def test_every_promise_holds(first: int) -> None:
    check_seeds(range(first, first + HISTORIES_AT_ONCE))


def test_every_promise_holds_for_interactive_transactions() -> None:
    check_seeds(f"{SEEDS}{number}" for number in range(HISTORIES_AT_ONCE))


def test_every_promise_holds_with_an_extension() -> None:
    check_seeds(f"{IN_LAMBDA}{number}" for number in range(40))


def test_every_promise_holds_for_undo_and_notes() -> None:
    check_seeds(f"{steps.SEEDS}{number}" for number in range(HISTORIES_AT_ONCE))
