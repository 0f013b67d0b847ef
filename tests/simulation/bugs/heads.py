"""Planted bugs of heads, and of the copies of small files in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from unittest.mock import patch

from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.keys import LtxName, head_key
from lambda_handlers.storage.pages import head as heads
from lambda_handlers.storage.pages.copies import Copies
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.upkeep.compaction import Compactor, Work
from lambda_handlers.store.protocol import ObjectStore
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories.plan import IN_LAMBDA

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("a head that was held up for long is put over a newer one", 100, looks_from=8, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    def advance(store: ObjectStore, database: str, head: Head, etag: str | None) -> str:
        return store.put(head_key(database), head.encode(database))

    return [patch.object(heads, "advance", advance)]


@bug("a pass believes its LIST about the newest transaction, whatever its age", 100, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    def put_head(self: Compactor, work: Work, known_at: float, seen: Head | None, etag: str | None) -> None:
        real(self, work, known_at + RETENTION_FLOOR_SECONDS, seen, etag)

    real = Compactor._put_head
    return [
        patch.object(Compactor, "_put_head", put_head),
        patch.object(Compactor, "_has_next", lambda _self, _txid: False),
    ]


@bug("a copy in a head is that of the object before", 100, looks_from=6)
def _() -> list[Patch]:
    def note(self: Copies, name: LtxName, body: bytes | None) -> None:
        before = vars(self).get("before", body)
        vars(self)["before"] = body
        real(self, name, before)

    real = Copies.note
    return [patch.object(Copies, "note", note)]


@bug("copies in a head change their places", 100, looks_from=6)
def _() -> list[Patch]:
    def of(self: Copies, files: Sequence[HeadFile], seen: Mapping[LtxName, bytes]) -> dict[LtxName, bytes]:
        taken = real(self, files, seen)
        return dict(zip(taken, reversed(taken.values()), strict=True))

    real = Copies.of
    return [patch.object(Copies, "of", of)]
