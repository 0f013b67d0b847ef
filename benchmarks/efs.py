"""The same operations over EFS and over S3, both simulated: the figures of docs/efs.md and docs/performance.md.

    python -m benchmarks.efs [MEGABYTES …]        default: 1 100

Operations, requests and metered bytes are exact and repeat, but for look-ups by several readers at once; times are this
machine's, and contain the simulated latencies: of EFS as in `simulated_efs`, of S3 as in `simulated_s3`, and 250 ms for
each of the two calls to EC2 for a security group as a lock (100 to 500 ms are assumed of such calls; they have not been
measured).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any
from unittest.mock import patch

from benchmarks.simulated_efs import WRITES, SimulatedEfs, metered
from benchmarks.simulated_s3 import Figures, SimulatedS3
from benchmarks.workload import container, fill, run, show
from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from sldb import price

EC2_SECONDS = 0.25
TRIES = 20
RUNS = 4  # the fastest of each operation counts
POINT = "SELECT * FROM users WHERE id = 7"
UPDATE = "UPDATE users SET karma = karma + 1 WHERE id = 7"
SCAN = "SELECT count(*), sum(length(body)) FROM posts"
USES_HEAD = ("a second", "S3, lock none or security-group", "S3, lock s3", "EFS", "than the former", "than the latter")
HEAD = ("operation", "store, lock", "requests or operations", "KB down", "KB up", "KB metered r/w", "ms")


class GroupLock(NoLock):
    """A security group as a lock: a call to EC2 for each acquire and release, that nothing contends."""

    def acquire(self, *arguments: Any) -> Any:
        sleep(EC2_SECONDS)
        return super().acquire(*arguments)

    def release(self, *arguments: Any) -> Any:
        sleep(EC2_SECONDS)
        return super().release(*arguments)


@dataclass(frozen=True, slots=True)
class Place:
    """A store with a lock."""

    name: str
    store: ObjectStore
    lock: Callable[[], WriteLock]
    measure: Callable[[Callable[[], object]], tuple[object, Figures]]
    mounted: Callable[[], AbstractContextManager[None]] = nullcontext
    forget: Callable[[], None] = lambda: None

    def cold(self) -> Service:
        self.forget()
        return container(self.store, self.lock())


def on_efs(root: Path) -> Place:
    efs, host = SimulatedEfs(root), Host()
    lock = FileLock(root, host)
    return Place("EFS, file", DirectoryStore(root), lambda: lock, efs.measure, efs.mounted, efs.forget)


def on_s3(name: str, root: Path, lock: Callable[[ObjectStore, Host], WriteLock]) -> Place:
    s3: Any = SimulatedS3(DirectoryStore(root))
    host = Host()
    return Place(f"S3, {name}", s3, lambda: lock(s3, host), s3.measure)


def object_lock(store: ObjectStore, host: Host) -> WriteLock:
    return ObjectLock(store, host, max_age_seconds=90.0, retry_seconds=1.0)


PLACES: tuple[Callable[[Path], Place], ...] = (
    on_efs,
    lambda root: on_s3("none", root, lambda _, host: NoLock(host)),
    lambda root: on_s3("s3", root, object_lock),
    lambda root: on_s3("security-group", root, lambda _, host: GroupLock(host)),
)


def prepare(root: Path, size_bytes: int) -> None:
    """Make a database, and run a pass of maintenance over it."""
    store = DirectoryStore(root)
    service = container(store)
    fill(service, size_bytes)
    service.close()
    Maintenance(store, Host(), Log("error"), retention_days=30).run(Host().now() + 900, only="main")


def operations(place: Place) -> dict[str, Figures]:
    found: dict[str, Figures] = {}

    def note(name: str, service: Service, query: str, times: int = 1, tries: int = 1) -> None:
        def act() -> None:
            for _ in range(times):
                run(service, query)

        found[name] = min((place.measure(act)[1] for _ in range(tries)), key=lambda each: each.ms)

    with place.mounted(), patch.object(os, "fsync", lambda _: None):  # of this machine's disk
        cold = place.cold()
        note("cold point read", cold, POINT)
        run(cold, POINT)  # after it nothing of the first one is under way
        note("warm point read", cold, POINT, tries=TRIES)
        run(cold, UPDATE)  # the first write of a container lists, and looks up its lock
        note("warm update of a row", cold, UPDATE, tries=3)  # few: a fold comes with some
        note("ten updates in a row", cold, UPDATE, 10)
        cold.close()
        cold = place.cold()
        note("cold full scan", cold, SCAN)
        cold.close()
    return found


def metered_kb(figures: Figures) -> tuple[float, float]:
    """Return the KB that EFS meters for reads and for writes."""
    reads = sum(metered(one) for one in figures.asked if one.verb not in WRITES)
    writes = sum(metered(one) for one in figures.asked if one.verb in WRITES)
    return reads / 1024, writes / 1024


# By lock: the requests of a warm write to S3 (reads, writes); those of a write to EFS have its lock in them.
WRITE_REQUESTS = {"none": (0, 1), "s3": (0, 3)}
USES = ((0.01, 0.001), (0.1, 0.01), (1.0, 0.1), (10.0, 1.0), (100.0, 10.0))  # warm reads and writes a second
MONTH_SECONDS = 30 * 86_400


def requests_dollars(reads: float, writes: float, lock: str = "") -> float:
    """Return the dollars for warm reads and one-row writes: of S3 with this lock, or of EFS without one."""
    if not lock:
        one_read = price.files({"store_requests": 1})
        one_write = price.files({"store_requests": 1, "store_writes": 1})
        return reads * one_read + writes * one_write
    gets, puts = WRITE_REQUESTS[lock]
    one_write = price.store({"store_requests": gets + puts, "store_writes": puts})
    return reads * price.S3_READ + writes * one_write


def break_even_gb(reads: float, writes: float, lock: str) -> float:
    """Return the GB stored for a month, with backups in EFS, at which both stores cost the same for so many requests
    of a month. Below it EFS is cheaper."""
    saved = requests_dollars(reads, writes, lock) - requests_dollars(reads, writes)
    return saved / (price.EFS_GB_MONTH + price.EFS_BACKUP_GB_MONTH - price.S3_GB_MONTH)


def rows_of_uses() -> list[tuple[str, ...]]:
    """Return a row for each use: its requests, their dollars a month in S3 by lock and in EFS, and the break-even."""
    rows = []
    for use in USES:
        reads, writes = (each * MONTH_SECONDS for each in use)
        dollars = [requests_dollars(reads, writes, lock) for lock in ("none", "s3", "")]
        least = [break_even_gb(reads, writes, lock) for lock in WRITE_REQUESTS]
        shown = (f"${each:,.2f}" for each in dollars)
        rows.append((f"{use[0]:g} reads, {use[1]:g} writes", *shown, *map(_gb, least)))
    return rows


def _gb(size: float) -> str:
    return f"{float(f'{size:.2g}'):,g} GB"


def measure(size_bytes: int, root: Path) -> None:
    prepare(root / "prepared", size_bytes)
    measured: dict[str, dict[str, Figures]] = {}
    for place_in in PLACES:
        for _ in range(RUNS):
            shutil.copytree(root / "prepared", root / "run")  # all begin with the same log
            place = place_in(root / "run")
            least = measured.setdefault(place.name, {})
            for name, figures in operations(place).items():
                least[name] = min(figures, least.get(name, figures), key=lambda each: each.ms)
            shutil.rmtree(root / "run")
    rows = []
    for operation in measured["EFS, file"]:
        for name, found in measured.items():
            figures = found[operation]
            read, written = metered_kb(figures)
            kb = f"{read:,.0f}/{written:,.0f}" if name.startswith("EFS") else ""
            asked = f"{figures.requests} ({figures.by_verb})"
            rows.append(
                (
                    operation,
                    name,
                    asked,
                    f"{figures.down / 1e3:,.0f}",
                    f"{figures.up / 1e3:,.1f}",
                    kb,
                    round(figures.ms),
                )
            )
    show(f"A database of {size_bytes / 1e6:g} MB", HEAD, rows)


def main(megabytes: list[int]) -> None:
    show("Dollars a month, and the size below which EFS is cheaper", USES_HEAD, rows_of_uses())
    for size in megabytes:
        with tempfile.TemporaryDirectory() as root:
            measure(size * 1_000_000, Path(root))


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 100])
