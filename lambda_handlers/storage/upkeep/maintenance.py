"""Maintenance: compaction, then retention, for each database with work.

The scheduled function runs it; only that function may delete. Work items name the databases with work (work_items): one
LIST a minute finds all of them. A database without work costs nothing but its share of the sweep, a look at all of them
within a day (sweep). The longest wait comes first. A run of more than a minute lists again, because other invocations
work too.

A container remembers its last pass over each database: an item with a merge to wait for costs no request.

A lease keeps overlapping invocations from doing the same work twice (lease). Safety does not depend on it: files are
made by conditional creates, and removed files are needed by no process.

Deletion is decided by a LIST and its confirmation (removal). The LIST shows the lease, just written, and so the time by
the store's clock. Page maps are deleted before their files, so that none can outlive its file and be mistaken for that
of another one with the same name.
"""

from __future__ import annotations

from collections.abc import Iterator

from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.storage.log import work_items
from lambda_handlers.storage.log.copy_mark import MARK_BYTES
from lambda_handlers.storage.log.keys import (
    LtxName,
    database_prefix,
    maintenance_key,
    parse_ltx_key,
    parse_map_progress_key,
    parse_page_map_key,
    transaction,
    uploads_prefix,
)
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.work_items import Waiting
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.upkeep import lease as leases
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.compaction import Compactor
from lambda_handlers.storage.upkeep.lease import Lease
from lambda_handlers.storage.upkeep.pass_listing import list_for_pass
from lambda_handlers.storage.upkeep.removal import MAX_DELETES, Listing, Removal
from lambda_handlers.storage.upkeep.report import Report
from lambda_handlers.storage.upkeep.sweep import SWEEP_SECONDS, Sweep
from lambda_handlers.store.protocol import (
    ObjectStore,
    StoreError,
    detail_of,
)
from lambda_handlers.wire import SldbError

FULL_PASS_SECONDS = 900.0  # from a pass to the next one for the same work item, and between merges of a little
LIST_SECONDS = 60.0  # the age of the LIST of work items at which a run lists again
MIN_PASS_SECONDS = 5.0  # of the function's time: no pass begins with less
MAPPING_RESERVE_SECONDS = 15.0  # of the function's time, to store the progress of mapping a large file
_SECONDS_A_DAY = 86_400.0


@dataclass(slots=True)
class _Seen:
    """A container's memory of a database."""

    txid: Txid
    passed_at: float  # unix seconds
    merged_at: float
    maps: set[LtxName]  # the files whose page map was found good


@dataclass(frozen=True, slots=True)
class _Listing:
    files: dict[LtxName, HeadFile]
    dates: Listing


@dataclass(slots=True)
class Maintenance:
    """The maintenance of one store; it lives as long as its container."""

    store: ObjectStore
    host: Host
    log: Log
    retention_days: float
    sweep_seconds: float = SWEEP_SECONDS
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _tried_at: dict[str, float] = field(default_factory=dict)  # unix seconds

    def run(self, deadline: float, only: str | None = None) -> list[Report]:
        """Run the passes that are due, until `deadline` (unix seconds), or one over `only` in any case. An error goes
        into its database's report, and does not stop the others."""
        started, reports, skipped, failed = self.host.now(), [], 0, 0
        try:
            if only is None:
                Sweep(self.store, self.host, self._retained_seconds, self.sweep_seconds).run(deadline)
        except StoreError as error:
            failed += self._log_error(error)
        try:
            for one in self._due(only):
                if self.host.now() + MIN_PASS_SECONDS > deadline:
                    skipped += 1
                elif (report := self._reported_pass(one, only is not None, deadline)) is not None:
                    reports.append(report)
        except StoreError as error:
            failed += self._log_error(error)
        failed += sum(report.work is None for report in reports)
        passes = sum(report.work is not None for report in reports)
        self.log.debug("maintained", passes=passes, failed=failed, skipped=skipped, ms=self._ms_since(started))
        return reports

    @property
    def _retained_seconds(self) -> float:
        return self.retention_days * _SECONDS_A_DAY

    def _log_error(self, error: StoreError) -> bool:
        self.log.error("maintenance", message=str(error), aws_said=detail_of(error))
        return True

    def _ms_since(self, started: float) -> float:
        return round((self.host.now() - started) * 1000, 3)

    def _due(self, only: str | None) -> Iterator[Waiting]:
        """Yield each database with work once, the longest wait first."""
        queue: list[Waiting] = []
        listed_at, done = float("-inf"), set[str]()
        while True:
            if self.host.now() - listed_at > LIST_SECONDS:
                listed_at = self.host.now()
                queue = [one for one in self._waiting(only) if one.database not in done]
            if not queue:
                return
            done.add(queue[0].database)
            yield queue.pop(0)

    def _waiting(self, only: str | None) -> list[Waiting]:
        found = work_items.find(self.store, only)
        if only:
            return found or [Waiting(only, ())]
        return sorted(filter(self._is_due, found), key=self._waits_since)

    def _is_due(self, one: Waiting) -> bool:
        seen, now = self._seen.get(one.database), self.host.now()
        return seen is None or one.newest > seen.txid or not 0 <= now - seen.passed_at < FULL_PASS_SECONDS

    def _waits_since(self, one: Waiting) -> tuple[float, str]:
        return max(one.since, self._tried_at.get(one.database, float("-inf"))), one.database

    def _reported_pass(self, one: Waiting, forced: bool, deadline: float) -> Report | None:
        self._tried_at[one.database] = self.host.now()
        try:
            report = self._pass(one.database, forced, deadline)
        except (StoreError, SldbError) as error:
            self.log.error("maintenance", database=one.database, message=str(error), aws_said=detail_of(error))
            return Report(one.database, error=str(error))
        self._remove_items(one, report)
        return report

    def _remove_items(self, one: Waiting, report: Report | None) -> None:
        """Remove the work items up to the pass's transaction, unless it has left something to do."""
        work = report.work if report else None
        is_over = work is not None and work.is_complete and report is not None and report.deleted < MAX_DELETES
        reached = list(one.reached(work.txid if work and is_over else 0, self.host.now()))
        try:
            if reached:
                self.store.delete_many(reached)
            if work and not is_over and len(reached) == len(one.items):
                work_items.put(self.store, one.database, work.txid)
        except StoreError as error:  # a later pass does it
            self.log.warning("work_items_not_removed", database=one.database, error=str(error))

    def _pass(self, database: str, forced: bool, deadline: float) -> Report | None:
        """Run a pass; return None if there is no log, or if another invocation holds the lease."""
        if not forced and not self._has_log(database):
            return None
        lease = leases.take(self.store, self.host, database)
        if lease is None:
            return None
        try:
            report = self._pass_alone(database, forced, deadline, lease)
        finally:
            self._end(lease)
        if report is not None:
            self.log.info("maintenance", **report.encode())
        return report

    def _end(self, lease: Lease) -> None:
        try:
            lease.end(self.store)
        except StoreError as error:  # it ends by itself
            self.log.warning("lease_not_ended", database=lease.database, error=str(error))

    def _has_log(self, database: str) -> bool:
        """Return True if there are files of a log: a lease would be the only object of a name without."""
        if database in self._seen:
            return True
        first = next(iter(self.store.list_objects(database_prefix(database))), None)  # directories of levels come first
        return first is not None and parse_ltx_key(database, first.key) is not None

    def _pass_alone(self, database: str, forced: bool, deadline: float, lease: Lease) -> Report | None:
        now = self.host.now()
        listing = self._list(database, lease)
        seen = self._seen.get(database)
        if _is_unfinished(listing):
            self._leave_alone(database, listing, now)
            return None
        merged_at = seen.merged_at if seen else float("-inf")
        retained = self._retained_seconds
        maps = seen.maps & listing.files.keys() if seen else set()
        compactor = Compactor(self.store, database, self.host, deadline - MAPPING_RESERVE_SECONDS, maps)
        work = compactor.run(
            listing.files,
            known_at=now,
            is_due=forced or now - merged_at > FULL_PASS_SECONDS,
            wants_snapshot=retention.waits_for_snapshot(listing.dates.written_at, listing.dates.store_time, retained),
        )
        gone = Removal(self.store, database, self.host, self.log, listing.dates).run(retained)
        others = listing.files.keys() - {file.name for file in work.files} - gone
        compactor.map_others([listing.files[name] for name in others], work)
        if work.merged or work.snapshot:
            merged_at = now
        self._seen[database] = _Seen(work.txid, now, merged_at, maps)
        return Report(database, work, len(gone), ms=self._ms_since(now))

    def _leave_alone(self, database: str, listing: _Listing, now: float) -> None:
        """Skip an unfinished copy: log it once, and check it again from time to time."""
        if database not in self._seen:
            self.log.info("unfinished", database=database)
        newest = max(name.max_txid for name in listing.files)
        self._seen[database] = _Seen(newest, now, float("-inf"), set())

    def _list(self, database: str, lease: Lease) -> _Listing:
        sizes: dict[LtxName, int] = {}
        written_at: dict[LtxName, float] = {}
        page_maps: dict[str, tuple[LtxName, float]] = {}
        mapped: set[LtxName] = set()
        uploads: dict[str, float] = {}
        store_time = 0.0  # nothing is old where the lease is not shown
        mark_at: float | None = None
        shown = list_for_pass(self.store, self.host, database, self._retained_seconds)
        for info in shown.objects.values():
            if name := parse_ltx_key(database, info.key):
                sizes[name] = info.size
                if (name, info.size) == (transaction(1), MARK_BYTES):
                    mark_at = info.modified_at
                else:
                    written_at[name] = info.modified_at
            elif name := parse_page_map_key(database, info.key):
                page_maps[info.key] = name, info.modified_at
                mapped.add(name)
            elif name := parse_map_progress_key(database, info.key):
                page_maps[info.key] = name, info.modified_at
            elif info.key.startswith(uploads_prefix(database)):
                uploads[info.key] = info.modified_at
            elif info.key == maintenance_key(database):
                store_time = info.modified_at
        files = {name: HeadFile(name, size, name in mapped) for name, size in sizes.items()}
        times = store_time, lease.taken_at, self.host.now()
        return _Listing(files, Listing(written_at, page_maps, uploads, *times, mark_at, shown.listed))


def _is_unfinished(listing: _Listing) -> bool:
    """Return True if the log begins with nothing but the mark of a copy (actions), which cannot be compacted."""
    begins = [file for name, file in listing.files.items() if name.min_txid == 1]
    return [(file.name, file.size) for file in begins] == [(transaction(1), MARK_BYTES)]
