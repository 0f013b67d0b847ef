"""The next six hundred histories, in a file of their own so that they run beside the first."""

from __future__ import annotations

import pytest

from tests.simulation.histories.cases import HISTORIES_AT_ONCE, check_seeds

pytestmark = pytest.mark.long


@pytest.mark.parametrize("first", range(600, 1200, HISTORIES_AT_ONCE))
def test_every_promise_holds(first: int) -> None:
    check_seeds(range(first, first + HISTORIES_AT_ONCE))
