"""A partial listing: some objects of one database, enough for one question.

A LIST shows 1,000 keys with each request, in order. First comes level 0, with a key or two for each transaction of the
retention period; then come the few files of the other levels, and the rest. A database of fewer than 1,000 objects is
listed whole, with one request. Of a larger one come the first page, everything behind level 0, and then some pages of
level 0. Keys ascend with txids, so a page may begin at any transaction.

`listed` has the transactions looked for: a name missing there is a missing file. If some pages do not answer a
question, the whole database is listed: the answer is the same as after a whole LIST.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice, takewhile

from lambda_handlers.host import Done, Host
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import (
    SNAPSHOT_LEVEL,
    LtxName,
    before_transaction,
    behind_singles,
    database_prefix,
    parse_ltx_key,
    parse_map_progress_key,
    parse_page_map_key,
    singles_prefix,
)
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.protocol import PAGE_KEYS, ObjectInfo, ObjectStore

END = 1 << 64  # behind every txid
ONE_BY_ONE = Host(start=lambda function: Done(function()))

Runs = tuple[tuple[Txid, Txid], ...]
WHOLE: Runs = ((0, END),)


def page_before(txid: Txid) -> Txid:
    """Return the first transaction of a page that probably has the single transactions of the chain to `txid`."""
    return max(0, txid - PAGE_KEYS * 9 // 10)


def has_run(listed: Runs, first: Txid, end: Txid) -> bool:
    """Return True if every transaction from `first` to before `end` was looked for."""
    return first >= end or any(start <= first and end <= stop for start, stop in listed)


class PartialListing:
    """The objects of one database, listed by parts. Every method raises StoreError.

    The first page and everything behind level 0 are listed at once; of a longer log also the pages from the
    transactions `wanted` on, side by side."""

    def __init__(self, store: ObjectStore, database: str, host: Host = ONE_BY_ONE, wanted: Iterable[Txid] = ()) -> None:
        self.database = database
        self.objects: dict[str, ObjectInfo] = {}
        self.listed: Runs = ()  # level 0: from a transaction to before another; ascending, apart from each other
        self._store = store
        self._host = host
        self._names: set[LtxName] = set()
        self._begin(wanted)

    @property
    def is_whole(self) -> bool:
        return self.listed == WHOLE

    @property
    def names(self) -> set[LtxName]:
        """The LTX files."""
        return self._names

    def has(self, first: Txid, end: Txid) -> bool:
        """Return True if every transaction from `first` to before `end` was looked for."""
        return has_run(self.listed, first, end)

    def list_chain(self, upto: Txid | None = None, start: Txid = 0) -> None:
        """List the files of a chain to a transaction, by default the newest, from another one on, without snapshots
        then; all files, if there is no such chain."""
        while not self.is_whole:
            usable = (name for name in self._names if not start or name.level != SNAPSHOT_LEVEL)
            plan = chain.plan(usable, start, upto)
            if plan.reach == upto or (upto is None and plan.reach == plan.newest and self.has(plan.reach + 1, END)):
                return
            if self.has(plan.reach + 1, plan.reach + 2):  # there is no such file
                self.list_whole()
            else:
                self._list_page(plan.reach + 1)

    def list_newest(self, count: int = 1) -> Txid:
        """List the last `count` transactions, and return the newest one; 0 if there is none."""
        compacted = max((name.max_txid for name in self._names), default=0)
        self.list_run(max(0, compacted + 1 - count), END)
        return max((name.max_txid for name in self._names), default=0)

    def list_run(self, first: Txid, end: Txid) -> None:
        """List the transactions from `first` to before `end`."""
        while not self.has(first, end):
            begun = next((stop for start, stop in self.listed if start <= first < stop), first)
            self._list_page(begun)

    def list_page(self, first: Txid) -> None:
        """List a page of level 0 from a transaction on."""
        if not self.is_whole:
            self._list_page(first)

    def list_pages(self, firsts: Iterable[Txid]) -> None:
        """List pages of level 0 from these transactions on, if they were not looked for, side by side."""
        wanted = [first for first in dict.fromkeys(firsts) if not self.has(first, first + 1)]
        calls = [self._host.start(partial(self._read_page, first)) for first in wanted]
        for first, call in zip(wanted, calls, strict=True):
            self._add_read(first, call.result())

    def list_whole(self) -> None:
        """List all objects anew, and forget the earlier pages."""
        self.objects.clear()
        self._names.clear()
        self._add(self._store.list_objects(database_prefix(self.database)))
        self.listed = WHOLE

    def _begin(self, wanted: Iterable[Txid]) -> None:
        found = iter(self._store.list_objects(database_prefix(self.database)))
        page = list(islice(found, PAGE_KEYS))
        if len(page) == PAGE_KEYS and page[-1].key < behind_singles(self.database):
            self._add_page(0, page)
            behind = self._host.start(self._read_behind)
            self.list_pages(wanted)
            self._add(behind.result())
        else:
            self._add(page)
            self._add(found)
            self.listed = WHOLE

    def _read_behind(self) -> list[ObjectInfo]:
        return list(self._store.list_objects(database_prefix(self.database), behind_singles(self.database)))

    def _list_page(self, first: Txid) -> None:
        self._add_read(first, self._read_page(first))

    def _read_page(self, first: Txid) -> list[ObjectInfo]:
        found = self._store.list_objects(database_prefix(self.database), before_transaction(self.database, first))
        prefix = singles_prefix(self.database)
        return list(islice(takewhile(lambda info: info.key.startswith(prefix), found), PAGE_KEYS))

    def _add_read(self, first: Txid, page: list[ObjectInfo]) -> None:
        if len(page) < PAGE_KEYS:
            self._add(page)
            self._add_run(first, END)
        else:
            self._add_page(first, page)

    def _add_page(self, first: Txid, page: list[ObjectInfo]) -> None:
        """Add a page, without its last two transactions: it may end between the keys of one, and the last name may be
        damaged."""
        *others, cut, _ = sorted({-1, 0, *map(self._txid_of, page)})
        if cut <= first or not others:
            self.list_whole()
        else:
            self._add(info for info in page if self._txid_of(info) < cut)
            self._add_run(first, cut)

    def _txid_of(self, info: ObjectInfo) -> Txid:
        for parse in (parse_ltx_key, parse_page_map_key, parse_map_progress_key):
            if name := parse(self.database, info.key):
                return name.min_txid
        return 0

    def _add(self, infos: Iterable[ObjectInfo]) -> None:
        for info in infos:
            self.objects[info.key] = info
            if name := parse_ltx_key(self.database, info.key):
                self._names.add(name)

    def _add_run(self, first: Txid, end: Txid) -> None:
        runs: list[tuple[Txid, Txid]] = []
        for start, stop in sorted((*self.listed, (first, end))):
            if runs and start <= runs[-1][1]:
                runs[-1] = runs[-1][0], max(runs[-1][1], stop)
            else:
                runs.append((start, stop))
        self.listed = tuple(runs)
