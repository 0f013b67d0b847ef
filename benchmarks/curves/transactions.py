"""The size of a transaction: rows of 100 KB, as many as it takes, in one statement. Lock none."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

from benchmarks.curves.figures import Row, Table, measure
from benchmarks.simulated_s3 import SimulatedS3
from benchmarks.storage import peak_kb
from benchmarks.workload import container, run
from lambda_handlers.store.directory import DirectoryStore

KILOBYTES = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
ROW_KB = 100


def table(*kilobytes: int) -> Table:
    rows = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for size in kilobytes or KILOBYTES:
            rows.append(pool.apply(_measure, (size,)))
    return Table("transactions", "KB written", rows)


def _measure(kilobytes: int) -> Row:
    with tempfile.TemporaryDirectory() as root:
        store = SimulatedS3(DirectoryStore(Path(root)))
        service = container(store, memory_bytes=1 << 30)
        run(service, "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
        count, size = max(1, kilobytes // ROW_KB), min(kilobytes, ROW_KB) * 1000
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        write = f"{numbers} INSERT INTO t (body) SELECT randomblob(?) FROM n"
        row = measure(store, kilobytes, "write", lambda: run(service, write, [count, size], timeout=800))
        row.extra["peak MB"] = peak_kb() / 1024
        service.close()
        return row
