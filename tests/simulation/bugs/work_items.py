"""Planted bugs of the empty objects beside the databases: work items, and doubts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers.storage.log import doubts, work_items
from lambda_handlers.storage.log.work_items import Waiting
from lambda_handlers.storage.publishing import Publisher
from lambda_handlers.storage.upkeep.doubt_keeping import DoubtKeeping
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories.plan import IN_LAMBDA

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("a fold leaves no work item", 100, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    return [patch.object(Publisher, "_put_work_item", lambda self, txid: None)]


@bug("a pass removes the work items that were put while it ran", 500, looks_from=113)
def _() -> list[Patch]:
    def remove_items(self: Maintenance, one: Waiting, report: Any) -> None:
        found = work_items.find(self.store, one.database)
        real_remove(self, found[0] if found else one, report)

    def reached(self: Waiting, upto: int, now: float) -> Iterator[str]:
        return real_reached(self, self.newest if upto else 0, now)

    real_remove, real_reached = Maintenance._remove_items, Waiting.reached
    return [patch.object(Maintenance, "_remove_items", remove_items), patch.object(Waiting, "reached", reached)]


@bug("a drop puts no doubt", 100, looks_from=10)
def _() -> list[Patch]:
    return [patch.object(doubts, "put_before", lambda _store, _database, _txid: None)]


@bug("the sweep removes the doubt of a dropped database", 300, looks_from=120)
def _() -> list[Patch]:
    real = DoubtKeeping._newest_there
    return [patch.object(DoubtKeeping, "_newest_there", lambda self, database: max(real(self, database), 1 << 32))]
