"""Planted bugs of copies of databases, and of damaged ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers.actions import clone
from lambda_handlers.storage import verification
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.verification import Verified
from tests.simulation.bugs.planting import Bug, Patch, add_to

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("a copy is put as it came", 500, looks_from=200)
def _() -> list[Patch]:
    def read(store: Any, database: str, name: LtxName, size: int, tick: Any, keeps_body: bool) -> Verified:
        body = store.get(name.key(database))
        return replace(verification.of_body(name, Header.decode(body, str(name)), body), size=size)

    return [patch.object(verification, "_read", read)]


@bug("a file whose checksum fails is believed", 100)
def _() -> list[Patch]:
    return [patch.object(Decoder, "_check_end", lambda self: self._source.rest() and None)]


@bug("a name without a first transaction is free", 1000, looks_from=660)
def _() -> list[Patch]:
    def copy(context: Any, listing: Any, target: str, txid: int, verified: Any) -> Any:
        there = clone.list_files(context.store, target)
        found = verified.verify(listing, listing.chain_to(txid))
        made = clone._Clone(context, verified, there, listing.database, [found[n] for n in listing.chain_to(txid)])
        with patch.object(made, "_check_free", lambda: None):
            return made.run()

    return [patch.object(clone, "_copy", copy)]


@bug("the base of a copy comes first", 500)
def _() -> list[Patch]:
    def run(self: Any) -> Any:
        self._copy(self._base)
        return real(self)

    real = clone._Clone.run
    return [patch.object(clone._Clone, "run", run)]


@bug("a page is believed whatever its checksum", 1000, looks_from=498)
def _() -> list[Patch]:
    return [patch.object(PageMap, "check", lambda *_: None)]
