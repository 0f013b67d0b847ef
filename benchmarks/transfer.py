"""The costs of a push and a pull: requests, bytes and memory, on a simulated S3; the figures of docs/transfer.md.

    python -m benchmarks.transfer [MEGABYTES …]        default: 100; 1000 takes some minutes

Each runs in a process of its own, client and commit together, so that its peak memory is its own. Requests and bytes
are exact and repeat; times are this machine's, and contain simulated latency and the local disk in place of S3. CPU
seconds are those of client and commit in all threads, without those of the directory in place of S3.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.simulated_s3 import BYTES_A_SECOND, SimulatedS3
from benchmarks.workload import POST_BYTES, SCHEMA, container, show
from lambda_handlers.host import Host
from lambda_handlers.service import Service
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import Action
from sldb.client import Client
from sldb.progress.protocol import SILENT
from sldb.push_pull.direct import DirectTransport
from sldb.push_pull.pull import Pull
from sldb.push_pull.push import Push
from sldb.push_pull.source import open_source

_OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class _InProcess:
    name = "in process"

    def __init__(self, service: Service) -> None:
        self._service = service

    def act(self, action: Action) -> dict[str, Any]:
        return self._service.act(action)


def make(path: Path, size_bytes: int) -> None:
    """Make a file of users and posts with an index, as in the other benchmarks."""
    connection = sqlite3.connect(path)
    connection.executescript(f"PRAGMA synchronous = off; {SCHEMA}")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :posts) "
        "INSERT INTO posts SELECT i, 1 + (i * 7919) % :posts, 'Post number ' || i,"
        " hex(randomblob(240)) || replace(hex(zeroblob(32)), '00', 'lorem ipsum ') FROM n",
        {"posts": size_bytes // POST_BYTES},
    )
    connection.commit()
    connection.close()


def transfer(what: str, root: Path, file: Path) -> dict[str, Any]:
    store = SimulatedS3(DirectoryStore(root))
    service = container(store, cache_bytes=64 << 20)
    client = Client(_InProcess(service))  # type: ignore[arg-type]  # all that is used of a target
    transport = DirectTransport("main", lambda: store)

    def push() -> None:
        with open_source(file) as source:
            Push(client, transport, SILENT, Host()).run(source, None, lambda _begun: None)

    def pull() -> None:
        Pull(client, transport, SILENT, Host()).run(file.with_name("out.db"), None, replace=True, check=True)

    started = _cpu_seconds()
    _, figures = store.measure(push if what == "push" else pull)
    service.close()
    return {
        "requests": figures.requests,
        "verbs": dict(Counter(one.verb for one in figures.asked)),
        "up": figures.up,
        "down": figures.down,
        "seconds": figures.ms / 1000,
        "cpu_seconds": _cpu_seconds() - started - figures.store_cpu_seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it started and that have ended."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _OURS))


def measure(size_bytes: int, directory: Path) -> None:
    file = directory / "in.db"
    make(file, size_bytes)
    rows = []
    for what in ("push", "pull"):
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.transfer", what, str(directory / "store"), str(file)],
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(ran.stdout)
        verbs = " ".join(f"{count} {verb}" for verb, count in sorted(told["verbs"].items()))
        moved = told["up"] + told["down"]
        rows.append(
            (
                what,
                f"{told['requests']} ({verbs})",
                told["up"] / 1e6,
                told["down"] / 1e6,
                round(told["peak_mb"]),
                told["seconds"],
                told["cpu_seconds"],
                moved / BYTES_A_SECOND / 4,
            )
        )
    head = ("", "requests", "MB up", "MB down", "peak memory, MB", "s", "CPU s", "bytes ÷ 4 connections, s")
    show(f"A file of {file.stat().st_size / 1e6:.0f} MB", head, rows)


def main(arguments: list[str]) -> None:
    if arguments[:1] in (["push"], ["pull"]):
        print(json.dumps(transfer(arguments[0], Path(arguments[1]), Path(arguments[2]))))
        return
    for megabytes in arguments or ["100"]:
        with tempfile.TemporaryDirectory() as name:
            measure(int(megabytes) * 1_000_000, Path(name))


if __name__ == "__main__":
    main(sys.argv[1:])
