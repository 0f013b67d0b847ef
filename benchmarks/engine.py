"""The engine's requests, bytes and memory for the operations that users wait for.

    python -m benchmarks.engine [MEGABYTES]

Requests and bytes are counted at the store; memory is measured in a process of its own: it opens the database from a
directory and serves a read and a write.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from benchmarks.workload import best_ms, container, fill, run, show
from lambda_handlers.database.local_copy import Copy
from lambda_handlers.deadline import NEVER
from lambda_handlers.host import Host
from lambda_handlers.sql.chance import GENERATOR
from lambda_handlers.sql.pin import Pin
from lambda_handlers.sql.session import READ, Session
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.vfs import DraftVFS
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.wire import Statement
from tests.fakes.stores.memory import memory_store

UPDATE = "UPDATE users SET karma = karma + 1 WHERE id = 7"
ROWS = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, karma REAL)"
POINT = "SELECT * FROM users WHERE id = 7"


def counts(size_bytes: int) -> None:
    store = memory_store()
    service = container(MeteredStore(store))
    fill(service, size_bytes)
    service.close()
    service = container(MeteredStore(store))
    operations = {
        "cold point read": lambda: run(service, POINT),
        "warm point read": lambda: run(service, POINT),
        "warm point read, max_staleness": lambda: run(service, POINT, max_staleness=60),
        "warm one-row update, lock none": lambda: run(service, UPDATE),
        "the same with a request_id": lambda: run(service, UPDATE, request_id="r"),
    }
    rows = []
    for name, operation in operations.items():
        stats = operation().stats
        figures = (
            stats["store_requests"],
            stats["bytes_in"],
            stats["bytes_out"],
            stats["execute_ms"],
            stats["commit_ms"],
        )
        rows.append((name, *figures))
    show(
        f"Requests and bytes, a database of {size_bytes / 1e6:g} MB",
        ("operation", "requests", "bytes in", "bytes out", "execute, ms", "commit, ms"),
        rows,
    )
    vfs = Copy(Replica(store, "main", Path(tempfile.gettempdir()), Host()), Path(tempfile.gettempdir())).vfs
    show(
        "Own time of a request (store in memory, so no network)",
        ("operation", "ms"),
        (
            ("opening and closing a session's connection", best_ms(lambda: [_open(vfs) for _ in range(100)]) / 100),
            ("warm point read", best_ms(lambda: [run(service, POINT) for _ in range(100)]) / 100),
            ("warm one-row update", best_ms(lambda: [run(service, UPDATE) for _ in range(100)]) / 100),
        ),
    )
    service.close()


def _open(vfs: DraftVFS) -> None:
    Session(vfs, READ, NEVER).close()


def chance() -> None:
    """Show what the turns of statements cost, and a pin, for the shortest of statements."""
    store = memory_store()
    vfs = Copy(Replica(store, "main", Path(tempfile.gettempdir()), Host()), Path(tempfile.gettempdir())).vfs
    select = [Statement("SELECT 1")]
    plain, pinned = Session(vfs, READ, NEVER), Session(vfs, READ, NEVER, pin=Pin(bytes(16), 0))
    turn = GENERATOR.unpinned()

    def take_turns() -> None:
        for _ in range(1000):
            with turn:
                pass

    statement_us = best_ms(lambda: [plain.run(select) for _ in range(1000)])
    figures = {
        "SELECT 1": statement_us,
        "its turn": best_ms(take_turns),
        "SELECT 1, pinned": best_ms(lambda: [pinned.run(select) for _ in range(1000)]),
    }
    rows = [(name, us, us / statement_us) for name, us in figures.items()]
    show("Chance and time of a statement", ("", "µs", "ratio"), rows)
    plain.close()
    pinned.close()


def reply() -> None:
    """Show the processor's time for a reply of 100,000 rows, beside that of its rows as plain lists."""
    store = memory_store()
    service, connection = container(MeteredStore(store)), apsw.Connection(":memory:")
    fill = "WITH RECURSIVE c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c LIMIT 100000)"
    for sql in (ROWS, f"INSERT INTO t {fill} SELECT i, 'user number ' || i, i * 0.5 FROM c"):
        run(service, sql)
        connection.execute(sql)
    plain = list(map(list, connection.execute("SELECT * FROM t")))
    figures = {
        "SQLite alone": _cpu_ms(lambda: list(connection.execute("SELECT * FROM t"))),
        "json.dumps of plain lists": _cpu_ms(lambda: json.dumps(plain)),
        "the handler, all of it": _cpu_ms(lambda: service.handle({"query": "SELECT * FROM t"})),
    }
    dumps = figures["json.dumps of plain lists"]
    show("A reply of 100,000 rows", ("", "ms", "ratio"), [(name, ms, ms / dumps) for name, ms in figures.items()])
    service.close()


def _cpu_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(9):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return min(times) * 1000


SERVE = """
import json, os, resource, sys
from pathlib import Path
from benchmarks.workload import container, run
from lambda_handlers.store.directory import DirectoryStore

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

service = container(DirectoryStore(Path(sys.argv[1])))
before = resident()
run(service, "SELECT * FROM users WHERE id = 7")
run(service, "UPDATE users SET karma = karma + 1 WHERE id = 7")
run(service, "SELECT count(*), sum(length(body)) FROM posts")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"before": before, "warm": resident(), "peak": peak}))
service.close()
"""


def memory(size_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        service = container(DirectoryStore(Path(directory)))
        fill(service, size_bytes)
        service.close()
        printed = subprocess.run(
            [sys.executable, "-c", SERVE, directory], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    figures = json.loads(printed)
    show(
        f"Memory of a container that serves a database of {size_bytes / 1e6:g} MB (cold read, update, full scan)",
        ("", "MB"),
        ((name, value / 1e6) for name, value in figures.items()),
    )


def main() -> None:
    size_bytes = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 100_000_000
    counts(size_bytes)
    chance()
    reply()
    memory(size_bytes)


if __name__ == "__main__":
    main()
