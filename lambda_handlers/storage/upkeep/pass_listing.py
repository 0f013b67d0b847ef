"""The listing of a maintenance pass: the part of a log with work to do.

A database of fewer than 1,000 objects is listed whole. Of a larger one a pass lists

- all files above level 0, and the transactions after them: its compaction begins there;
- the oldest transactions, up to the base of retention, at most as many as one pass deletes;
- the transactions behind the newest base, if they may have outlived the retention period;
- one page of the others by chance, so that a large file without a page map is found sooner or later.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.copy_mark import MARK_BYTES
from lambda_handlers.storage.log.keys import LtxName, maintenance_key, parse_ltx_key, transaction
from lambda_handlers.storage.log.partial_listing import PartialListing
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.removal import MAX_DELETES
from lambda_handlers.store.protocol import ObjectStore


def list_for_pass(store: ObjectStore, host: Host, database: str, retained_seconds: float) -> PartialListing:
    """Return the listing of a pass over a database, with its lease taken. Raises StoreError."""
    listing = PartialListing(store, database, host)
    if listing.is_whole:
        return listing
    compacted = chain.plan(listing.names)
    by_chance = int.from_bytes(host.entropy(8), "big") % max(1, compacted.newest) + 1
    listing.list_pages((compacted.reach + 1, by_chance))
    listing.list_chain()
    dates = _dates(listing)
    lease = listing.objects.get(maintenance_key(database))
    if lease is not None:
        _list_oldest(listing, retention.needed_base(dates, lease.modified_at, retained_seconds))
        if (base := retention.outlived_base(dates, lease.modified_at, retained_seconds)) is not None:
            _list_once(listing, base.max_txid + 1)
    return listing


def _list_oldest(listing: PartialListing, base: LtxName | None) -> None:
    """List what retention may delete."""
    while base is not None and not listing.has(0, min(base.max_txid + 1, _oldest(listing) + MAX_DELETES)):
        listing.list_page(listing.listed[0][1])


def _oldest(listing: PartialListing) -> int:
    return min((name.min_txid for name in listing.names if name.level == 0), default=0)


def _list_once(listing: PartialListing, txid: int) -> None:
    if not listing.has(txid, txid + 1):
        listing.list_page(txid)


def _dates(listing: PartialListing) -> dict[LtxName, float]:
    found = {}
    for info in listing.objects.values():
        name = parse_ltx_key(listing.database, info.key)
        if name is not None and (name, info.size) != (transaction(1), MARK_BYTES):
            found[name] = info.modified_at
    return found
