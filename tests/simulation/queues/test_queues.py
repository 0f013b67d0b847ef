"""Histories of queues keep their promises, and planted bugs break them."""

from __future__ import annotations

import pytest

from tests.simulation.queues.bugs import BUGS
from tests.simulation.queues.history import history_of


def test_every_promise_holds() -> None:
    assert {seed: found for seed in range(12) if (found := history_of(seed).violations)} == {}


@pytest.mark.long
def test_every_promise_holds_in_many_histories() -> None:
    assert {seed: found for seed in range(12, 200) if (found := history_of(seed).violations)} == {}


@pytest.mark.long
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    plant, within = BUGS[name]
    with plant():
        assert any(history_of(seed).violations for seed in range(within)), name
