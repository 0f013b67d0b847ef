"""The shared parts of the benchmarks: databases of users and posts with an index, containers over a counting store, and
tables of figures. Counts are exact; times are this machine's, so compare them within one run only.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lambda_handlers.host import Host
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.service import Service
from lambda_handlers.settings import MIB, Settings
from lambda_handlers.sql.connection import DEFAULT_PAGE_SIZE
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, Request

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, karma INTEGER DEFAULT 0);
CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, title TEXT, body TEXT);
CREATE INDEX posts_by_user ON posts (user_id);
"""
POST_BYTES = 1100  # about what one post takes with its index entry


def container(store: ObjectStore, lock: WriteLock | None = None, **settings: Any) -> Service:
    """Return a fresh container; without a lock it is one of kind none."""
    kind = "none" if lock is None or type(lock) is NoLock else "s3"
    settings = {"cache_bytes": 8192 * MIB, "log_level": "error", "lock": kind, **settings}
    host = Host()
    return Service(
        Settings(store="file:///unused", temp_dir=tempfile.gettempdir(), **settings), host, store, lock or NoLock(host)
    )


def run(service: Service, query: str, params: Any = None, **fields: Any) -> Reply:
    return service.reply(Request.decode({"query": query, "params": params, **fields}))


def fill(service: Service, size_bytes: int, page_size: int = DEFAULT_PAGE_SIZE) -> None:
    """Create a database of about `size_bytes`, in transactions of about 20 MB."""
    posts = size_bytes // POST_BYTES
    run(service, f"PRAGMA page_size = {page_size}; {SCHEMA}")
    numbers = "WITH RECURSIVE n(i) AS (SELECT :low UNION ALL SELECT i + 1 FROM n WHERE i < :high)"
    run(
        service,
        f"{numbers} INSERT INTO users SELECT i, 'user ' || i, 'user' || i || '@example.com', 0 FROM n",
        {"low": 1, "high": max(1, posts // 10)},
    )
    step = 20_000
    for low in range(1, posts + 1, step):
        run(
            service,
            f"{numbers} INSERT INTO posts SELECT i, 1 + (i * 7919) % :users, 'Post number ' || i,"
            " hex(randomblob(240)) || replace(hex(zeroblob(32)), '00', 'lorem ipsum ') FROM n",
            {"low": low, "high": min(posts, low + step - 1), "users": max(1, posts // 10)},
        )


def best_ms(action: Callable[[], object], runs: int = 5) -> float:
    """Return the time of the fastest run, the least disturbed one."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times) * 1000


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table on standard output, ready for the docs."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
