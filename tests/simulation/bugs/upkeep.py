"""Planted bugs of compaction and retention."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers.storage.upkeep import merge, retention
from lambda_handlers.storage.upkeep.merge import Merge
from lambda_handlers.storage.upkeep.removal import Removal
from tests.simulation.bugs.planting import Bug, Patch, add_to

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("a merge takes the older page", 100)
def _() -> list[Patch]:
    def sources(decoders: Any) -> Any:
        return [replace(source, age=-source.age) for source in real(decoders)]

    real = merge._sources
    return [patch.object(merge, "_sources", sources)]


@bug("a snapshot lacks the last transaction", 100)
def _() -> list[Patch]:
    def init(self: Merge, store: Any, database: str, names: Any, target: Any, node_id: int) -> None:
        real(self, store, database, names[:-1] if target.level == 9 else names, target, node_id)

    real = Merge.__init__
    return [patch.object(Merge, "__init__", init)]


@bug("retention knows no floor", 100)
def _() -> list[Patch]:
    return [patch.object(retention, "FLOOR_SECONDS", 0)]


@bug("retention knows no period", 100)
def _() -> list[Patch]:
    def needed_base(written_at: Any, now: float, retention_seconds: float) -> Any:
        return real(written_at, now + 1e6, 0.0)

    real = retention.needed_base
    return [patch.object(retention, "needed_base", needed_base)]


@bug("retention tells the time by a clock that is wrong by an hour", 100)
def _() -> list[Patch]:
    def check_clocks(self: Removal) -> None:
        self._now += 3600

    return [patch.object(Removal, "_check_clocks", check_clocks)]
