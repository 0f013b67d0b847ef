"""The costs of importing and exporting rows: a million rows of CSV in, a hundred thousand out, with a directory.

    python -m benchmarks.transfer_rows [ROWS]

Requests and bytes are counted as a function would see them: as JSON events. Memory is the peak (RSS) of this process,
with the engine in it.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lambda_handlers.wire import Action, Reply, Request
from sldb.client import Client
from sldb.render.layout import Layout
from sldb.targets.local import LocalTarget
from sldb.transfer import export
from sldb.transfer.database import selection
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.importing import Plan, run

EXPORTED = 100_000


class Counting(LocalTarget):
    """The target with a directory, counting requests and bytes."""

    requests = largest_bytes = sent_bytes = 0

    def send(self, request: Request) -> Reply:
        self._count(request.encode())
        return super().send(request)

    def act(self, action: Action) -> dict[str, Any]:
        self._count(action.encode())
        return super().act(action)

    def _count(self, event: dict[str, Any]) -> None:
        size = len(json.dumps(event, ensure_ascii=False).encode())
        self.requests += 1
        self.sent_bytes += size
        self.largest_bytes = max(self.largest_bytes, size)


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.csv"
        write_csv(path, rows)
        target = Counting(Path(directory) / "db")
        client = Client(target)
        started = time.perf_counter()
        done = run(client, Plan((str(path),)), io.BytesIO())
        seconds = time.perf_counter() - started
        assert done.changed == rows
        size, sent, largest = (n / 1e6 for n in (path.stat().st_size, target.sent_bytes, target.largest_bytes))
        print(f"import  {rows:,} rows, {size:.1f} MB of CSV: {seconds:.1f} s, {rows / seconds:,.0f}/s")
        print(f"        {target.requests} requests, {sent:.1f} MB, at most {largest:.2f} MB")
        print(f"        at most {peak_megabytes():.0f} MB of memory")
        for format_name in ("csv", "jsonl"):
            measure_export(client, Path(directory) / f"out.{format_name}", format_name)
        target.close()


def write_csv(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("id,name,amount,day,note\n")
        file.writelines(
            f'{i},name {i},{i / 7:.4f},2026-01-{i % 28 + 1:02d},"{"a, b" if i % 3 else ""}"\n' for i in range(rows)
        )


def measure_export(client: Client, path: Path, format_name: str) -> None:
    started = time.perf_counter()
    source = Snapshot(client)
    what = selection.query(source, f"SELECT * FROM events WHERE id < {EXPORTED}", "events")
    rows = export.write(source, what, format_name, path, io.BytesIO(), Layout())
    seconds = time.perf_counter() - started
    print(f"export  {rows:,} rows as {format_name}: {seconds:.2f} s, {source.requests} requests")


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
