"""A cold full scan beside the time that its bytes take on the line, on a machine that does nothing else.

    python -m benchmarks.scan [MEGABYTES [RUNS]]        default: 100 MB, 7 runs

The requests are counted, not timed: a GET takes 15 ms until its first byte, and all answers share one line of 90 MB/s,
as those of one host do, one after the other. The CPU is that of the thread which runs SQLite and decodes the pages, and
is measured. So the time is what the request would take if this thread had a core of its own: its CPU, and its waits for
the store.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.scan.line import LATENCY, Line, LineStore
from benchmarks.storage import SCAN
from benchmarks.workload import container, fill, run, show
from lambda_handlers.host import Host
from lambda_handlers.locks.none import NoLock
from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.settings import MIB, Settings
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.directory import DirectoryStore

HEAD = (
    "run",
    "requests",
    "waits",
    "MB",
    "bytes ÷ bandwidth, ms",
    "before the first MB, ms",
    "waits, ms",
    "CPU, ms",
    "ms",
    "ratio",
)


def scan(root: Path) -> tuple[Any, ...]:
    store: Any = LineStore(DirectoryStore(root))
    host = Host(start=lambda function: store.line.start(function))  # noqa: PLW0108 - of a later line
    settings = Settings(
        store="file:///unused", temp_dir=tempfile.gettempdir(), cache_bytes=8192 * MIB, log_level="error", lock="none"
    )
    cold = Service(settings, host, store, NoLock(host))
    store.line = line = Line()
    run(cold, SCAN)
    seconds, cpu = line.now, line.cpu_seconds
    cold.close()
    bytes_ms = line.moved / LATENCY.bytes_a_second * 1000
    counts = line.requests, line.waits, line.moved / 1e6
    times = line.first_mb_at * 1000, line.waited * 1000, cpu * 1000, seconds * 1000
    return *counts, bytes_ms, *times, seconds * 1000 / bytes_ms


def prepare(root: Path, size_bytes: int) -> None:
    service = container(DirectoryStore(root))
    fill(service, size_bytes)
    service.close()
    Maintenance(DirectoryStore(root), Host(), Log("error"), retention_days=30).run(Host().now() + 900, only="main")


def main(megabytes: int = 100, runs: int = 7) -> None:
    with tempfile.TemporaryDirectory() as root:
        prepare(Path(root), megabytes * 1_000_000)
        rows = [(number, *scan(Path(root))) for number in range(1, runs + 1)]
    best = min(rows, key=lambda row: row[-1])
    show(f"A cold full scan of {megabytes:g} MB", HEAD, [*rows, ("least", *best[1:])])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
