"""The costs of reading and writing at any size, on a simulated S3: the figures of docs/storage.md.

    python -m benchmarks.storage [MEGABYTES …]        default: 1 100; 1000 takes some minutes

Databases of users and posts with an index, made through the product's own SQL. Requests, rounds and bytes are exact and
repeat; times are this machine's, and contain the simulated latency.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.simulated_s3 import BYTES_A_SECOND, Figures, SimulatedS3
from benchmarks.workload import container, fill, run, show
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.settings import MIB
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.directory import DirectoryStore

POINT = "SELECT * FROM users WHERE id = 7"
POST = "SELECT title FROM posts WHERE id = 77"
UPDATE = "UPDATE users SET karma = karma + 1 WHERE id = 7"
SCAN = "SELECT count(*), sum(length(body)) FROM posts"
INDEX_SCAN = "SELECT count(DISTINCT user_id) FROM posts"
HEAD = ("operation", "requests", "rounds", "MB down", "KB up", "ms")


def measure(size_bytes: int, root: Path) -> None:
    store = SimulatedS3(DirectoryStore(root))
    store.is_slow = False
    service = container(store)
    fill(service, size_bytes)
    service.close()
    store.is_slow = True

    rows: list[tuple[object, ...]] = []

    def note(name: str, service: Service, action: Callable[[Service], object]) -> Figures:
        _, figures = store.measure(lambda: action(service))
        down, up = figures.down / 1e6, figures.up / 1e3
        rows.append((name, f"{figures.requests} ({figures.by_verb})", figures.rounds, down, up, figures.ms))
        return figures

    cold_read(note, store, "cold point read, before any pass of maintenance")
    Maintenance(store, Host(), Log("error"), retention_days=30).run(Host().now() + 900, only="main")
    cold_read(note, store, "cold point read")
    warm = container(store)
    run(warm, POINT)
    note("warm point read", warm, lambda service: run(service, POINT))
    note("the same, max_staleness", warm, lambda service: run(service, POINT, max_staleness=60))
    note("warm read of another page", warm, lambda service: run(service, POST))
    note("first one-row update of a copy, lock none", warm, lambda service: run(service, UPDATE))
    note("warm one-row update, lock none", warm, lambda service: run(service, UPDATE))
    warm.close()
    for name, query in (("cold full scan", SCAN), ("cold scan in the order of an index", INDEX_SCAN)):
        cold = container(store)
        figures = note(name, cold, partial(run, query=query))
        cold.close()
        print(f"{name}: {figures.ms / 1000:.2f} s; bytes ÷ bandwidth {figures.down / BYTES_A_SECOND:.2f} s")
    show(f"A database of {size_bytes / 1e6:g} MB", HEAD, rows)


def cold_read(note: Callable[..., Figures], store: SimulatedS3, name: str) -> None:
    cold = container(store)
    note(name, cold, lambda service: run(service, POINT))
    cold.close()


def small_cache(root: str) -> None:
    """Query a database that is larger than the cache; in a process that has done nothing else."""
    service = container(DirectoryStore(Path(root)), cache_bytes=64 * MIB)
    started = time.perf_counter()
    for query in (POINT, SCAN, INDEX_SCAN, UPDATE, POINT):
        run(service, query)
    peak = peak_kb() / 1024
    cached = sum(database.size_bytes for database in service._databases.values()) / MIB
    print(
        f"\nwith a cache of 64 MiB: five queries in {time.perf_counter() - started:.1f} s, "
        f"local file {cached:.0f} MiB, peak memory of the process {peak:.0f} MB"
    )
    service.close()


def peak_kb() -> int:
    """Return this process's peak since its program was loaded; getrusage begins with the parent's value (Linux)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def main(megabytes: list[int]) -> None:
    for size in megabytes:
        with tempfile.TemporaryDirectory() as root:
            measure(size * 1_000_000, Path(root))
            alone = multiprocessing.get_context("spawn").Process(target=small_cache, args=(root,))
            alone.start()
            alone.join()


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 100])
