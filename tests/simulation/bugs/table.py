"""All planted bugs, by subject."""

from __future__ import annotations

from tests.simulation.bugs import committing, copies, freshness, locks, requests, steps, transactions, upkeep
from tests.simulation.bugs.planting import Bug

BUGS: tuple[Bug, ...] = (
    *(*committing.BUGS, *copies.BUGS, *freshness.BUGS, *requests.BUGS, *upkeep.BUGS),
    *(*locks.BUGS, *transactions.BUGS, *steps.BUGS),
)
