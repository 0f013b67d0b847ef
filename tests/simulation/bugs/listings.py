"""Planted bugs of partial listings."""

from __future__ import annotations

from functools import partial
from unittest.mock import patch

from lambda_handlers.storage.log import partial_listing
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.partial_listing import END, PartialListing
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories.plan import IN_LAMBDA

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("a page of a listing begins behind its first transaction", 300, looks_from=8, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    def before_transaction(database: str, txid: int) -> str:
        return real(database, txid + 1)

    real = partial_listing.before_transaction
    return [patch.object(partial_listing, "before_transaction", before_transaction)]


@bug("a page of a listing counts as longer than it is", 300, looks_from=21, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    def add_run(self: PartialListing, first: Txid, end: Txid) -> None:
        real(self, first, end if end == END else end + 3)

    real = PartialListing._add_run
    return [patch.object(PartialListing, "_add_run", add_run)]
