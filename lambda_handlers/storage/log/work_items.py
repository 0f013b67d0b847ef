"""Work items: empty objects by which maintenance finds the databases with work, with one LIST for all of them.

    _work/<database>/<txid>     a pass over the database is worth its cost, for transactions up to this one

Writers put one when a fold is due or a transaction is large, a reader for a file without a page map, the sweep for the
work that it finds. An item is removed only after a pass has reached its transaction, so none of a later one is lost. An
item may be lost otherwise, or be about nothing: the sweep finds the work of a lost one, and one about nothing is
removed after a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.keys import parse_work_key, work_key, work_prefix
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.protocol import AlreadyExists, ObjectStore

STALE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A database with work items."""

    database: str
    items: Sequence[tuple[Txid, float]]  # the transaction, and when the item was put: unix seconds by the store's clock

    @property
    def newest(self) -> Txid:
        return max((txid for txid, _ in self.items), default=0)

    @property
    def since(self) -> float:
        """The time of the oldest item."""
        return min((put_at for _, put_at in self.items), default=float("-inf"))

    def reached(self, upto: Txid, now: float) -> Iterator[str]:
        """Yield the keys of the items up to a pass's transaction, and of stale ones."""
        for txid, put_at in self.items:
            if txid <= upto or now - put_at > STALE_SECONDS:
                yield work_key(self.database, txid)


def find(store: ObjectStore, database: str | None = None) -> list[Waiting]:
    """Return the databases with work items, or one database with its own. One LIST for each 1,000 items."""
    items: dict[str, list[tuple[Txid, float]]] = {}
    for info in store.list_objects(work_prefix(database)):
        if found := parse_work_key(info.key):
            items.setdefault(found[0], []).append((found[1], info.modified_at))
    return [Waiting(name, tuple(its)) for name, its in items.items()]


def put(store: ObjectStore, database: str, txid: Txid) -> None:
    """Put a work item. Raises StoreError."""
    try:
        store.create(work_key(database, txid), b"")
    except AlreadyExists:
        return
