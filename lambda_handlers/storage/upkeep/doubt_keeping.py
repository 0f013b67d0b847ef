"""The sweep's work for doubts (storage.log.doubts): it puts missing ones, and removes old ones.

Functions of this version put doubts themselves. So their first sweep puts those of all older databases, and later
sweeps only those of recent objects, made by functions of an earlier version during a deployment.

A doubt is over once its database is there at the transaction of the doubt or a newer one: a drop with this number has
lost its race, or is undone. A sweep looks at doubts for two days, enough for a copy or a push. Older ones are mostly of
dropped databases, and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.listing import list_chain, read_header, side_by_side
from lambda_handlers.storage.log import doubts
from lambda_handlers.storage.log.keys import doubt_key, parse_doubt_key
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.protocol import NotFound, ObjectInfo, ObjectStore
from lambda_handlers.wire import SldbError

RECENT_SECONDS = 2 * 86_400.0


@dataclass(frozen=True, slots=True)
class DoubtKeeping:
    """The doubts of one store."""

    store: ObjectStore
    host: Host

    def put_missing(self, database: str, infos: Sequence[ObjectInfo], txid: Txid, *, of_all: bool) -> None:
        """Put a doubt about a name, up to `txid`. `infos`: its objects; without `of_all` one of them must be recent.
        Raises StoreError."""
        if of_all or max(info.modified_at for info in infos) > self.host.now() - RECENT_SECONDS:
            doubts.put(self.store, database, txid)

    def remove_over(self, infos: Iterable[ObjectInfo]) -> None:
        """Remove the doubts of existing databases among the objects. Raises StoreError."""
        found: dict[str, list[Txid]] = {}
        recent: dict[str, None] = {}
        for info in infos:
            if (parsed := parse_doubt_key(info.key)) is None:
                continue
            found.setdefault(parsed[0], []).append(parsed[1])
            if info.modified_at > self.host.now() - RECENT_SECONDS:
                recent[parsed[0]] = None
        there = zip(recent, side_by_side(self.host, self._newest_there, recent), strict=True)
        over = [doubt_key(name, txid) for name, newest in there for txid in found[name] if txid <= newest]
        if over:
            self.store.delete_many(over)

    def _newest_there(self, database: str) -> int:
        """Return the newest transaction of a database; -1 if there is none, or if it cannot be read."""
        try:
            listing = list_chain(self.store, database)
            newest = listing.newest_file
            if newest is None or listing.looks_unfinished:
                return -1
            return listing.newest if read_header(self.store, database, newest, listing.sizes[newest]).commit else -1
        except (NotFound, SldbError):
            return -1
