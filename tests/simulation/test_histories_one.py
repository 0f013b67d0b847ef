"""The first six hundred histories: every promise holds in each (see checker)."""

from __future__ import annotations

import pytest

from tests.simulation.histories.cases import HISTORIES_AT_ONCE, check_seeds

pytestmark = pytest.mark.long


@pytest.mark.parametrize("first", range(0, 600, HISTORIES_AT_ONCE))
def test_every_promise_holds(first: int) -> None:
    check_seeds(range(first, first + HISTORIES_AT_ONCE))
