"""Removal: deletes the files that retention selects, and only on evidence; one wrong date alone causes no deletion.

A LIST shows the write time of each file, but one digit of it may be wrong: flipped in transit, or set by a program that
copied a directory. Therefore:

- The time comes from the store's clock and from this machine's, and the earlier one counts. If they differ by more than
  a minute, or any file is dated later than both, nothing is deleted at all.
- No file counts as older than the transactions in it or before it (retention.no_older_than_content).
- A file that justifies deletions, and a compacted file that is deleted, is requested once more by itself: if its date
  differs, nothing is deleted. The base, which justifies the deletion of everything below it, is opened too: it cannot
  be older than the time of its newest transaction.
- Objects deleted for their own age alone (parts of pushes, page maps without a file) are requested once more likewise.
- Finally, if any transaction behind the base would become unreadable, nothing is deleted.

Of a long log not all transactions are listed (pass_listing). The last transaction of each file above is requested then,
if it was not listed: no file is older than it, and one covered by another stays unless that transaction has a file of
its own.

Transactions below the base need no such request, regardless of their number: they are older than the base, which
contains them. A writer with a fast clock dates its transactions too late, and they stay longer. A time in the future
proves nothing, and then the store's two answers decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice, pairwise

from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.ltx import HEADER_BYTES, Header, Txid
from lambda_handlers.storage.log.partial_listing import WHOLE, Runs, has_run
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.store.protocol import NotFound, ObjectStore
from lambda_handlers.store_clock import SKEW_SECONDS

MAX_DELETES = 10_000  # in one pass
MAX_LOOKUPS = 500  # at single objects, in one pass
AT_ONCE = 16
ROUNDING_SECONDS = 1.0  # of a date in one answer, or the other
UPLOAD_SECONDS = 86_400.0  # parts that were pushed and never committed
_UNKNOWN = float("inf")  # a date that makes no file old


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of a LIST of one database."""

    written_at: Mapping[LtxName, float]  # its files, except the mark; all dates by the store's clock, in unix seconds
    page_maps: Mapping[str, tuple[LtxName, float]]  # by key: the file, and when the map was written
    uploads: Mapping[str, float]  # by key
    store_time: float  # the date of the lease
    leased_at: tuple[float, float]  # by this machine's clock: before the lease was put, and after
    listed_at: float  # by this machine's clock: when the LIST was over
    mark_at: float | None = None  # when the mark of a copy was written, at the key of transaction 1
    listed: Runs = WHOLE  # the transactions looked for at level 0; all files above it are here


class _Doubt(Exception):
    """The reason why nothing is deleted."""


class Removal:
    """The removal for one database, in one pass. Raises StoreError, or SldbError `corrupt` for a damaged base."""

    def __init__(self, store: ObjectStore, database: str, host: Host, log: Log, listing: Listing) -> None:
        self._store = store
        self._database = database
        self._host = host
        self._log = log
        self._listing = listing
        self._now = min(listing.store_time, listing.leased_at[0])
        self._last: dict[Txid, float | None] = {}  # the dates of transactions not listed; None: there is none

    def run(self, retained_seconds: float) -> set[LtxName]:
        """Delete, and return the deleted files."""
        try:
            self._check_clocks()
            names = sorted(self._proven(retained_seconds), key=lambda name: (not name.level, name))[:MAX_DELETES]
            lonely = self._still_old(self._lonely())
        except _Doubt as doubt:
            self._log.warning("nothing_removed", database=self._database, reason=str(doubt))
            return set()
        leaving = set(names)
        maps = [key for key, (name, _) in self._listing.page_maps.items() if name in leaving]
        for keys in (maps, [name.key(self._database) for name in names], lonely):
            if keys:
                self._store.delete_many(keys)
        return leaving

    def _check_clocks(self) -> None:
        """Raise _Doubt if no date can be trusted."""
        listing, (before, after) = self._listing, self._listing.leased_at
        if not before - SKEW_SECONDS <= listing.store_time <= after + SKEW_SECONDS:
            raise _Doubt(
                f"the store's clock shows {listing.store_time:.0f}, and this machine's {before:.0f} to {after:.0f}"
            )
        dates = [*listing.written_at.values(), *(at for _, at in listing.page_maps.values()), *listing.uploads.values()]
        latest = max(dates, default=0.0)
        if latest > listing.listed_at + SKEW_SECONDS:
            raise _Doubt(f"an object is dated {latest:.0f}, and the time is {listing.listed_at:.0f}")

    def _proven(self, retained_seconds: float) -> set[LtxName]:
        """Confirm every date that decides, and return the files that may be deleted. Raises _Doubt."""
        dates = retention.no_older_than_content(self._listing.written_at)
        looked: set[LtxName] = set()
        while True:
            reasons = retention.reasons(dates, self._now, retained_seconds)
            base = retention.needed_base(dates, self._now, retained_seconds)
            deciding = {*reasons.values()} | {name for name in reasons if name.level}
            wanted = sorted(deciding - looked, key=lambda name: (name != base, name))[: MAX_LOOKUPS - len(looked)]
            if not wanted:
                leaving = {
                    name
                    for name, why in reasons.items()
                    if why in looked and (name in looked or not name.level) and (why == base or self._has_last(name))
                }
                self._check_readable(leaving, base)
                return leaving | self._mark(base in looked)
            if base in wanted:  # requested alone: most depends on it
                wanted = [base]
                dates[base] = max(dates[base], self._newest_in(base))
            self._confirm({name.key(self._database): self._listing.written_at[name] for name in wanted})
            self._look_for_last(wanted)
            dates.update((name, max(dates[name], self._last.get(name.max_txid) or 0.0)) for name in wanted)
            looked.update(wanted)

    def _look_for_last(self, names: Iterable[LtxName]) -> None:
        """Request the dates of the last transactions of some files, if they were not listed."""
        ends = {name.max_txid for name in names}
        txids = [txid for txid in ends if not has_run(self._listing.listed, txid, txid + 1)]
        dates = self._dates_of(transaction(txid).key(self._database) for txid in txids)
        for txid, date in zip(txids, dates, strict=True):
            self._last[txid] = None if date == _UNKNOWN else date

    def _has_last(self, name: LtxName) -> bool:
        """Return True if the last transaction of a file has a file of its own."""
        txid = name.max_txid
        return transaction(txid) in self._listing.written_at or self._last.get(txid) is not None

    def _mark(self, has_old_base: bool) -> set[LtxName]:
        """Return the mark of a copy, once there is a confirmed base older than the retention period beside it. The mark
        is not a transaction: the copy's first one is only in its base, and no file of the log replaces the mark."""
        mark_at = self._listing.mark_at
        is_old = mark_at is not None and mark_at <= self._now - retention.FLOOR_SECONDS
        return {transaction(1)} if has_old_base and is_old else set()

    def _confirm(self, listed: Mapping[str, float]) -> None:
        """Raise _Doubt if the date of an object itself differs from its date in the LIST."""
        for (key, date), found in zip(listed.items(), self._dates_of(listed), strict=True):
            if abs(found - date) > ROUNDING_SECONDS:
                raise _Doubt(f"{key} is dated {date:.0f} in the LIST, and {found:.0f} in a request of its own")

    def _check_readable(self, leaving: set[LtxName], base: LtxName | None) -> None:
        """Raise _Doubt if a transaction behind the base would become unreadable."""
        there = {*self._listing.written_at, *self._between()}
        lost = chain.readable(there) - chain.readable(there - leaving)
        lost = {txid for txid in lost if base is None or txid >= base.max_txid}
        if lost:
            raise _Doubt(f"transaction {min(lost)} could not be read any more")

    def _between(self) -> Iterator[LtxName]:
        """Yield the runs of transactions not listed, each of which has a file, apart where one was requested."""
        for (_, start), (stop, _) in pairwise(self._listing.listed):
            inside = sorted(txid for txid, date in self._last.items() if date is not None and start <= txid < stop)
            for before, end in pairwise(dict.fromkeys((start - 1, *inside, stop - 1))):
                yield LtxName(0, before + 1, end)

    def _newest_in(self, base: LtxName) -> float:
        """Return the time of the newest transaction in a file, by its writer's clock; 0 if that is in the future, and
        infinity if the object is not the file of that name, such as the mark of a copy (actions)."""
        key = base.key(self._database)
        try:
            header = Header.decode(self._store.get_range(key, 0, HEADER_BYTES), key)
        except NotFound:
            return _UNKNOWN
        if (header.min_txid, header.max_txid) != (base.min_txid, base.max_txid):
            return _UNKNOWN
        made_at = header.timestamp_ms / 1000
        return made_at if made_at <= self._now + SKEW_SECONDS else 0.0

    def _lonely(self) -> Iterator[tuple[str, float]]:
        """Yield the objects that are deleted for their own age: the key, and the required age in seconds."""
        for key, at in self._listing.uploads.items():
            if at < self._now - UPLOAD_SECONDS:
                yield key, UPLOAD_SECONDS
        for key, (name, at) in self._listing.page_maps.items():
            if name not in self._listing.written_at and at < self._now - retention.FLOOR_SECONDS:
                yield key, float(retention.FLOOR_SECONDS)

    def _still_old(self, lonely: Iterable[tuple[str, float]]) -> list[str]:
        chosen = dict(islice(lonely, MAX_LOOKUPS))
        return [key for key, date in zip(chosen, self._dates_of(chosen), strict=True) if date < self._now - chosen[key]]

    def _dates_of(self, keys: Iterable[str]) -> Iterator[float]:
        waiting = iter(keys)
        while some := list(islice(waiting, AT_ONCE)):
            calls = [self._host.start(partial(self._date_of, key)) for key in some]
            yield from (call.result() for call in calls)

    def _date_of(self, key: str) -> float:
        try:
            return self._store.info(key).modified_at
        except NotFound:  # a missing object decides nothing
            return _UNKNOWN
