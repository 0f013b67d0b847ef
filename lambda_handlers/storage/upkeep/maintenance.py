"""Maintenance: compaction, then retention, for each database of a store.

The scheduled function runs it; only that function may delete. A pass over a database is due after new transactions, and
at least every quarter of an hour, so that heads stay young enough to be used. A container remembers its last view of
each database: a database without writes costs one GET a minute, and a LIST every quarter of an hour.

A lease (maintenance.json) keeps overlapping invocations from doing the same work twice. Safety does not depend on it:
files are made by conditional creates, removed files are needed by no process, and the lease of a dead holder ends after
the longest run of a function.

Deletion is decided by a LIST and its confirmation (removal). The LIST shows the lease, just written, and so the time by
the store's clock. Page maps are deleted before their files, so that none can outlive its file and be mistaken for that
of another one with the same name.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.shared.sealed_json import seal, unseal_or_plain
from lambda_handlers.storage.log.copy_mark import MARK_BYTES
from lambda_handlers.storage.log.keys import (
    LtxName,
    database_names,
    database_prefix,
    maintenance_key,
    parse_ltx_key,
    parse_map_progress_key,
    parse_page_map_key,
    transaction,
    uploads_prefix,
)
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.compaction import Compactor
from lambda_handlers.storage.upkeep.removal import Listing, Removal
from lambda_handlers.storage.upkeep.report import Report
from lambda_handlers.store.protocol import (
    AlreadyExists,
    NotFound,
    ObjectStore,
    PreconditionFailed,
    StoreError,
    Unavailable,
    detail_of,
)
from lambda_handlers.wire import SldbError

FULL_PASS_SECONDS = 900.0
LEASE_SECONDS = 960.0  # a function runs for 900 at most
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
class _Lease:
    etag: str
    taken_at: tuple[float, float]  # unix seconds by this machine's clock: before it was put, and after


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
    store_time: float = 0.0  # unix seconds by the store's clock, at the last pass; 0 before the first
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _databases: tuple[str, ...] = ()
    _listed_at: float = float("-inf")

    def run(self, deadline: float, only: str | None = None) -> list[Report]:
        """Run the passes that are due, until `deadline` (unix seconds), and one over `only` in any case. An error goes
        into its database's report, and does not stop the others."""
        started, reports, skipped = self.host.now(), [], 0
        try:
            databases = (only,) if only else self._databases_there()
        except StoreError as error:
            self.log.error("maintenance", message=str(error), aws_said=detail_of(error))
            self.log.debug("maintained", passes=0, failed=1, skipped=0, ms=self._ms_since(started))
            return []
        for number, database in enumerate(databases):
            if self.host.now() + MIN_PASS_SECONDS > deadline:
                skipped = len(databases) - number
                break
            try:
                report = self._pass(database, forced=only is not None, deadline=deadline)
            except (StoreError, SldbError) as error:
                report = Report(database, error=str(error))
                self.log.error("maintenance", database=database, message=str(error), aws_said=detail_of(error))
            if report is not None:
                reports.append(report)
        failed = sum(report.work is None for report in reports)
        self.log.debug(
            "maintained",
            passes=len(reports) - failed,
            failed=failed,
            skipped=skipped,
            ms=self._ms_since(started),
        )
        return reports

    def _ms_since(self, started: float) -> float:
        return round((self.host.now() - started) * 1000, 3)

    def _databases_there(self) -> tuple[str, ...]:
        """Return the databases, the one with the oldest pass first."""
        if self.host.now() - self._listed_at > FULL_PASS_SECONDS:
            self._databases = tuple(database_names(self.store.list_directories("")))
            self._listed_at = self.host.now()
        never = _Seen(0, float("-inf"), 0, set())
        return tuple(sorted(self._databases, key=lambda name: self._seen.get(name, never).passed_at))

    def _pass(self, database: str, forced: bool, deadline: float) -> Report | None:
        """Run a pass; return None if none is due, or if another invocation holds the lease."""
        if not forced and not self._is_due(database):
            return None
        before = self.host.now()
        etag = self._take_lease(database)
        if etag is None:
            return None
        lease = _Lease(etag, (before, self.host.now()))
        try:
            report = self._pass_alone(database, forced, deadline, lease)
        finally:
            self._end_lease(database, lease)
        if report is not None:
            self.log.info("maintenance", **report.encode())
        return report

    def _is_due(self, database: str) -> bool:
        seen = self._seen.get(database)
        if seen is None:  # locks and leases alone make no database; level directories come first in a LIST
            first = next(iter(self.store.list_objects(database_prefix(database))), None)
            return first is not None and parse_ltx_key(database, first.key) is not None
        if not 0 <= self.host.now() - seen.passed_at < FULL_PASS_SECONDS:
            return True
        try:
            self.store.size(transaction(seen.txid + 1).key(database))
        except NotFound:
            return False
        return True

    def _pass_alone(self, database: str, forced: bool, deadline: float, lease: _Lease) -> Report | None:
        now = self.host.now()
        listing = self._list(database, lease)
        seen = self._seen.get(database)
        if _is_unfinished(listing):
            self._leave_alone(database, listing, now)
            return None
        merged_at = seen.merged_at if seen else float("-inf")
        retained = self.retention_days * _SECONDS_A_DAY
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

    def _list(self, database: str, lease: _Lease) -> _Listing:
        sizes: dict[LtxName, int] = {}
        written_at: dict[LtxName, float] = {}
        page_maps: dict[str, tuple[LtxName, float]] = {}
        mapped: set[LtxName] = set()
        uploads: dict[str, float] = {}
        store_time = 0.0  # nothing is old where the lease is not shown
        mark_at: float | None = None
        for info in self.store.list_objects(database_prefix(database)):
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
        self.store_time = max(self.store_time, store_time)
        files = {name: HeadFile(name, size, name in mapped) for name, size in sizes.items()}
        dates = Listing(written_at, page_maps, uploads, store_time, lease.taken_at, self.host.now(), mark_at)
        return _Listing(files, dates)

    # The lease

    def _take_lease(self, database: str) -> str | None:
        """Take the lease and return its ETag; None if another invocation has it."""
        key, now = maintenance_key(database), self.host.now()
        body = _lease(database, self.host.nonce(), now + LEASE_SECONDS)
        try:
            old, etag = self.store.get_with_tag(key)
        except NotFound:
            old, etag = b"", None
        if 0 < _expiry(database, old) - now <= LEASE_SECONDS:
            return None
        try:
            return self.store.create(key, body) if etag is None else self.store.replace(key, body, etag)
        except (AlreadyExists, PreconditionFailed, NotFound):
            return self._lease_that_is(database, body)
        except Unavailable:
            if (mine := self._lease_that_is(database, body)) is None:
                raise
            return mine

    def _lease_that_is(self, database: str, body: bytes) -> str | None:
        """Return the ETag of the lease if it is the one just written, by a write with a lost answer. A lease unknown to
        its own writer would block every invocation until it ends."""
        try:
            found, etag = self.store.get_with_tag(maintenance_key(database))
        except NotFound:
            return None
        return etag if found == body else None

    def _end_lease(self, database: str, lease: _Lease) -> None:
        try:
            self.store.replace(maintenance_key(database), _lease(database, "", 0), lease.etag)
        except StoreError as error:  # it ends by itself
            self.log.warning("lease_not_ended", database=database, error=str(error))


def _is_unfinished(listing: _Listing) -> bool:
    """Return True if the log begins with nothing but the mark of a copy (actions), which cannot be compacted."""
    begins = [file for name, file in listing.files.items() if name.min_txid == 1]
    return [(file.name, file.size) for file in begins] == [(transaction(1), MARK_BYTES)]


def _lease(database: str, owner: str, expires_at: float) -> bytes:
    """Encode a lease. Version 1 had neither a version nor a checksum. Either version's code reads both."""
    return seal({"version": 2, "owner": owner, "expires_at": expires_at}, maintenance_key(database))


def _expiry(database: str, lease: bytes) -> float:
    """Return the end of a lease in unix seconds; 0 for another object, or a damaged lease."""
    try:
        return float((unseal_or_plain(lease, maintenance_key(database)) or {})["expires_at"])
    except (ValueError, KeyError, TypeError):
        return 0.0
