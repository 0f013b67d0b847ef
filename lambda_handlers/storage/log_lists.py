"""The LISTs of a log follower: the files of one database, and dates by the store's clock."""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.host import Host
from lambda_handlers.storage.freshness import Freshness
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import LtxName, database_prefix, parse_ltx_key, parse_page_map_key, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.partial_listing import PartialListing, page_before
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.store.protocol import ObjectInfo, ObjectStore, date_of
from lambda_handlers.store_clock import StoreClock

UNMAPPED_BYTES = 32 << 20  # a file without page map that is larger is left out where others lead as far


class LogLists:
    """The LISTs of one database. Every method raises StoreError."""

    def __init__(self, store: ObjectStore, host: Host, clock: StoreClock, freshness: Freshness, database: str) -> None:
        self._store = store
        self._host = host
        self._clock = clock
        self._freshness = freshness
        self._database = database

    def files(self, after: Txid = 0) -> dict[LtxName, HeadFile]:
        """Return the database's LTX files, without level-0 files up to transaction `after`."""
        start = transaction(after).key(self._database) if after else None
        return self._files(self._store.list_objects(database_prefix(self._database), start))

    def chain(self, upto: Txid | None) -> dict[LtxName, HeadFile]:
        """Return the files of a chain to a transaction, None: the newest one; all files if there is none, or a large
        one in it has no page map and others may replace it."""
        wanted = () if upto is None else (page_before(upto),)
        partial = PartialListing(self._store, self._database, self._host, wanted)
        partial.list_chain(upto)
        files = self._files(partial.objects.values())
        if partial.is_whole or not any(self.is_unmapped(files[name]) for name in chain.plan(files, 0, upto).files):
            return files
        return self.files()

    @staticmethod
    def is_unmapped(file: HeadFile) -> bool:
        """Return True for a large file without a page map."""
        return not file.is_mapped and file.size > UNMAPPED_BYTES

    def _files(self, listed: Iterable[ObjectInfo]) -> dict[LtxName, HeadFile]:
        sizes, mapped, newest = {}, set(), (0, 0.0)
        for info in listed:
            self._clock.observe_listed(info.key, info.modified_at)
            if name := parse_ltx_key(self._database, info.key):
                sizes[name] = info.size
                newest = max(newest, (name.max_txid, -info.modified_at))  # its oldest file, if there are several
            elif name := parse_page_map_key(self._database, info.key):
                mapped.add(name)
        self._freshness.listed = newest[0], -newest[1]
        self._clock.confirm(lambda key: date_of(self._store, key))
        return {name: HeadFile(name, size, name in mapped) for name, size in sizes.items()}
