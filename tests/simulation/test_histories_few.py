"""The first histories of the twelve hundred: `make test` runs them, `make histories` all."""

from __future__ import annotations

from tests.simulation.histories.cases import check_seeds


def test_every_promise_holds() -> None:
    check_seeds(range(60))
