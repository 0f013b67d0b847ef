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

SUBJECTS = (
    *(committing, copies, freshness, requests, upkeep, locks, transactions, steps),
    *(after_reply, heads, listings, work_items),
)
BUGS: tuple[Bug, ...] = tuple(bug for subject in SUBJECTS for bug in subject.BUGS)
ONE_OF_EACH_SUBJECT = tuple(subject.BUGS[0] for subject in SUBJECTS)
