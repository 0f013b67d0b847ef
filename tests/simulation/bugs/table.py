"""All planted bugs, by subject."""

from __future__ import annotations

from tests.simulation.bugs import (
    after_reply,
    committing,
    copies,
    freshness,
    heads,
    listings,
    locks,
    requests,
    steps,
    transactions,
    upkeep,
    work_items,
)
from tests.simulation.bugs.planting import Bug

BUGS: tuple[Bug, ...] = (
    *(*committing.BUGS, *copies.BUGS, *freshness.BUGS, *requests.BUGS, *upkeep.BUGS),
    *(*locks.BUGS, *transactions.BUGS, *steps.BUGS),
    *(*after_reply.BUGS, *heads.BUGS, *listings.BUGS, *work_items.BUGS),
)
