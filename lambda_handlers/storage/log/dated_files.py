"""The files of a log in the order of their transactions, with their dates by the store's clock.

There is one for each transaction at the end of a file: the oldest file, the most exact one. Of a long log the middle is
not listed at first: between two pages of level 0 each transaction has a file. Dates ascend, so the place of a moment is
found by the dates of a few files, which are requested one by one, and then by a LIST of the files around it.

A single date may be wrong. Among the known dates, those out of order (fewest of all) are left out. In a LIST each date
stands among its neighbours, and the search ends only between two files of one LIST, or two neighbours: a wrong date has
misled it until then at most.

A file that is not there after all raises NotFound; then the whole log must be listed (`is_whole`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.copy_mark import MARK_BYTES
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.partial_listing import PartialListing
from lambda_handlers.store.protocol import PAGE_KEYS, NotFound, ObjectInfo, ObjectStore

PROBES = 15  # dates requested at once
MARGIN = 16  # neighbours listed before the place of a moment


@dataclass(frozen=True, slots=True)
class DatedFile:
    """The file of one transaction, its last."""

    name: LtxName
    size: int | None  # bytes; None: not known yet
    dated_at: float  # unix seconds, by the store's clock


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Transactions between two pages of a listing."""

    listing: PartialListing
    txids: range
    store: ObjectStore
    host: Host


class DatedFiles:
    """The files of a log, by their numbers from 0 on. Methods raise StoreError."""

    def __init__(self, listed: Iterable[DatedFile], unlisted: Unlisted | None = None) -> None:
        """Take the files listed, ascending, and the transactions between two of them."""
        files = list(listed)
        self._unlisted = unlisted
        self._between = unlisted.txids if unlisted else range(0)
        self._before = [file for file in files if not unlisted or file.name.max_txid < unlisted.txids.start]
        self._after = files[len(self._before) :]
        self._found: dict[int, DatedFile] = {}  # of those between, by number
        self._numbers: list[int] = []  # with a known date
        self._dates: list[float] = []  # theirs, ascending
        self._sort()

    @property
    def is_whole(self) -> bool:
        """True if every file was listed."""
        return not self._between

    def __len__(self) -> int:
        return len(self._before) + len(self._between) + len(self._after)

    def __getitem__(self, number: int) -> DatedFile:
        """Return a file; one not listed has no date."""
        at = number - len(self._before)
        if at < 0:
            return self._before[number]
        if at >= len(self._between):
            return self._after[at - len(self._between)]
        return self._found.get(number) or DatedFile(transaction(self._between[at]), None, 0.0)

    def date(self, number: int) -> float:
        """Return the date of a file; of one out of order, the next date in order."""
        if self._is_unknown(number):
            self._request([number])
        return self._dates[bisect_right(self._numbers, number) - 1]

    def end_at(self, moment: float) -> int:
        """Return the number of the first file dated after a moment (unix seconds)."""
        while True:
            known = bisect_right(self._dates, moment)
            first = self._numbers[known - 1] + 1 if known else 0
            end = self._numbers[known] if known < len(self._numbers) else len(self)
            if first >= end:
                return end
            if end - first <= PAGE_KEYS // 2:
                self._list(first - MARGIN, end)
            else:
                self._request(first + (end - first) * step // (PROBES + 1) for step in range(1, PROBES + 1))

    def _is_unknown(self, number: int) -> bool:
        return 0 <= number - len(self._before) < len(self._between) and number not in self._found

    def _request(self, numbers: Iterable[int]) -> None:
        """Request the dates of some files, one by one."""
        assert self._unlisted is not None
        wanted = [number for number in dict.fromkeys(numbers) if self._is_unknown(number)]
        keys = [self[number].name.key(self._unlisted.listing.database) for number in wanted]
        calls = [self._unlisted.host.start(partial(self._unlisted.store.info, key)) for key in keys]
        for number, call in zip(wanted, calls, strict=True):
            self._note(number, call.result())
        self._sort()

    def _list(self, number: int, end: int) -> None:
        """List the files from one to before another."""
        assert self._unlisted is not None
        listing = self._unlisted.listing
        low, high = (max(0, one - len(self._before)) for one in (number, end))
        txids = self._between[low:high]
        listing.list_run(txids.start, txids.stop)
        for at, txid in enumerate(txids, start=low + len(self._before)):
            key = transaction(txid).key(listing.database)
            if key not in listing.objects:
                raise NotFound(key)
            self._note(at, listing.objects[key])
        self._sort()

    def _note(self, number: int, info: ObjectInfo) -> None:
        self._found[number] = DatedFile(self[number].name, info.size, info.modified_at)

    def _sort(self) -> None:
        ends = range(len(self._before)), range(len(self) - len(self._after), len(self))
        self._numbers = [*ends[0], *sorted(self._found), *ends[1]]
        self._dates = ascending([self[number].dated_at for number in self._numbers])


def read(store: ObjectStore, host: Host, listing: PartialListing) -> DatedFiles:
    """Return the files of a listing, and those between its pages."""
    found: dict[Txid, DatedFile] = {}
    for info in listing.objects.values():
        name = parse_ltx_key(listing.database, info.key)
        if name is None or (name == transaction(1) and info.size == MARK_BYTES):
            continue  # the mark of a copy is not a transaction
        before = found.get(name.max_txid)
        if before is None or info.modified_at < before.dated_at:
            found[name.max_txid] = DatedFile(name, info.size, info.modified_at)
    if len(listing.listed) < 2:
        return DatedFiles(found[txid] for txid in sorted(found))
    (_, start), *_, (stop, _) = listing.listed
    unlisted = Unlisted(listing, range(start, stop), store, host)
    return DatedFiles((found[txid] for txid in sorted(found) if txid not in unlisted.txids), unlisted)


def ascending(dates: Sequence[float]) -> list[float]:
    """Return the dates, with the ones out of order (fewest of all) replaced by the next one in order."""
    if all(before <= after for before, after in pairwise(dates)):
        return list(dates)
    ends: list[float] = []  # the least date with which so many that ascend may end
    lengths = []
    for date in dates:
        lengths.append(bisect_right(ends, date))
        ends[lengths[-1] : lengths[-1] + 1] = [date]
    wanted, following, found = len(ends) - 1, float("inf"), []
    for date, length in zip(reversed(dates), reversed(lengths), strict=True):
        if length == wanted and date <= following:
            wanted, following = wanted - 1, date
        found.append(following)
    return found[::-1]
