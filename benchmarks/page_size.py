"""The page size for new databases: bytes uploaded by a one-row update, times of reads and scans.

python benchmarks/page_size.py [MEGABYTES]
"""

from __future__ import annotations

import sys

from benchmarks.workload import best_ms, container, fill, run, show
from lambda_handlers.store.metered import MeteredStore
from tests.fakes.stores.memory import memory_store


def measure(page_size: int, size_bytes: int) -> tuple[object, ...]:
    store = memory_store()
    service = container(MeteredStore(store))
    fill(service, size_bytes, page_size)
    stored = sum(info.size for info in store.list_objects("main/"))
    pages = run(service, "PRAGMA page_count").rows[0][0]
    updates = [
        run(service, "UPDATE users SET karma = karma + 1 WHERE id = ?", [n], request_id=f"r{n}").stats["bytes_out"]
        for n in range(2, 22)
    ]
    inserts = [
        run(service, "INSERT INTO posts (user_id, title, body) VALUES (?, 't', 'b')", [n * 97]).stats["bytes_out"]
        for n in range(1, 21)
    ]
    scan = best_ms(lambda: run(service, "SELECT count(*), sum(length(body)) FROM posts"))
    point = best_ms(lambda: [run(service, "SELECT * FROM posts WHERE id = ?", [n * 31]) for n in range(200)]) / 200
    cold = best_ms(lambda: _cold(store), runs=3)
    service.close()
    return page_size, pages, stored / 1e6, sum(updates) // 20, sum(inserts) // 20, scan, point, cold


def _cold(store):
    service = container(store)
    run(service, "SELECT 1 FROM users")
    service.close()


def main() -> None:
    size_bytes = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 100_000_000
    show(
        f"Page size, a database of {size_bytes / 1e6:g} MB",
        (
            "page size",
            "pages",
            "stored, MB",
            "update of a row, bytes up",
            "insert of a row, bytes up",
            "full scan, ms",
            "warm point read, ms",
            "whole chain read and applied, ms",
        ),
        (measure(page_size, size_bytes) for page_size in (1024, 4096, 8192, 16384, 65536)),
    )


if __name__ == "__main__":
    main()
