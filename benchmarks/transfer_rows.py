"""The costs of importing and exporting rows: a million rows of CSV in, a hundred thousand out, with a directory.

    python -m benchmarks.transfer_rows [ROWS [MEGABYTES]]        default: 1000000 100

Requests and bytes are counted as a function would see them: as JSON events. Memory is the peak (RSS) of this process,
with the engine in it.

Then the processor time of dump, export and import of a database, beside that of the sqlite3 shell for the same rows:
each is a process that writes to a file, and counts with its start; the fastest of some tries. Over a directory client
and engine are one process. Without the shell (`sqlite3`) its column is empty.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.transfer import make
from benchmarks.workload import show
from lambda_handlers.wire import Action, Reply, Request
from sldb.client import Client
from sldb.render.layout import Layout
from sldb.targets.local import LocalTarget
from sldb.transfer import export
from sldb.transfer.database import selection
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.importing import Plan, run

EXPORTED = 100_000
TRIES = 3
SHELL = shutil.which("sqlite3")
TABLE = "posts"
SELECT = f"SELECT * FROM {TABLE}"


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


def cpu_seconds(arguments: Sequence[str], output: Path) -> float:
    """Return the processor time of a process, in all its threads."""
    with output.open("wb") as out:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return used.ru_utime + used.ru_stime


def commands(place: Path, file: Path) -> dict[str, tuple[list[str], list[str], Path]]:
    """Return for each operation the commands of sldb and of the shell, and the file whose bytes count."""
    sldb = [sys.executable, "-m", "sldb", "--local", str(place / "db")]
    shell, rows = [SHELL or ""], place / "rows.csv"
    source, new = str(file), str(place / "new.db")
    imported = [*shell, new, f"DROP TABLE IF EXISTS {TABLE}", f".import --csv {rows} {TABLE}"]
    return {
        "dump": ([*sldb, "dump"], [*shell, source, ".dump"], file),
        "export, csv": ([*sldb, "export", TABLE, "--format", "csv"], [*shell, "-csv", "-header", source, SELECT], file),
        "export, jsonl": ([*sldb, "export", TABLE, "--format", "jsonl"], [*shell, "-json", source, SELECT], file),
        "import, csv": ([*sldb, "import", str(rows), "--table", TABLE, "--replace"], imported, rows),
    }


def compare(megabytes: int) -> None:
    """Print the processor time of sldb and of the shell."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        file = place / "in.db"
        make(file, megabytes * 1_000_000)
        push = [sys.executable, "-m", "sldb", "--local", str(place / "db"), "push", "--create", str(file)]
        cpu_seconds(push, place / "out")
        rows = []
        for operation, (ours, shells, counted) in commands(place, file).items():
            best = [min(cpu_seconds(each, place / "out") for _ in range(TRIES)) for each in (ours, shells) if each[0]]
            if operation == "export, csv":
                cpu_seconds(ours, place / "rows.csv")
            gigabytes = counted.stat().st_size / 1e9
            rows.append((operation, counted.stat().st_size / 1e6, *(seconds / gigabytes for seconds in best)))
        show("CPU seconds per GB", ("", "MB", "sldb", "sqlite3"), rows)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given[:1] or [1_000_000])
    compare(*given[1:] or [100])
