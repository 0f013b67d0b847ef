"""The size of the database: 1 MB to 1 GB, and 10 GB if SIZES names it (`python -m benchmarks.curves size=10000`)."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.curves.figures import Row, Table, measure
from benchmarks.peers.databases import make, run_pass
from benchmarks.peers.operations import READS, WRITES
from benchmarks.peers.simulator.client import ROOT
from benchmarks.simulated_s3 import SimulatedS3
from benchmarks.storage import peak_kb
from benchmarks.workload import container, run
from lambda_handlers.settings import MIB
from lambda_handlers.store.directory import DirectoryStore

SIZES = (1, 10, 100, 1000)  # MB


def table(*sizes: int) -> Table:
    rows = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:  # a process for each: its memory
        for megabytes in sizes or SIZES:
            log = make(megabytes, ROOT / "build/peers/data").log
            rows.extend(pool.apply(_measure, (megabytes, log)))
    return Table("size", "MB", rows)


def _measure(megabytes: int, log: Path) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=log.parent) as root:  # the database itself stays as it was made
        copy = shutil.copytree(log, Path(root, "log"), copy_function=os.link)
        run_pass(copy)
        return _operations(megabytes, SimulatedS3(DirectoryStore(copy)))


def _operations(megabytes: int, store: SimulatedS3) -> list[Row]:
    point, update = READS["point read"], WRITES["write of a row"]
    cold = container(store, cache_bytes=400 * MIB)
    rows = [measure(store, megabytes, "cold point read", lambda: run(cold, point))]
    rows.append(measure(store, megabytes, "warm point read", lambda: run(cold, point), 5))
    run(cold, update)  # the first write of a container lists
    rows.append(measure(store, megabytes, "warm write of a row", lambda: run(cold, update), 5))
    rows[0].extra["peak MB"] = peak_kb() / 1024
    cold.close()
    if megabytes <= 1000:
        scan = container(store, cache_bytes=400 * MIB)
        rows.append(measure(store, megabytes, "cold full scan", lambda: run(scan, READS["full scan"])))
        rows[-1].extra["peak MB"] = peak_kb() / 1024
        scan.close()
    return rows
