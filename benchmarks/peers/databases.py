"""The databases of the measurement: one content, as a log of sldb's and as a SQLite file. Made once, and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.simulator.client import ROOT
from benchmarks.workload import container, fill
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.storage.pages import head
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.directory import DirectoryStore


@dataclass(frozen=True, slots=True)
class Made:
    file: Path
    log: Path  # a directory: the objects of a bucket


def make(megabytes: int, root: Path) -> Made:
    made = Made(root / f"{megabytes}.sqlite", root / f"{megabytes}.log")
    if not made.file.exists():
        shutil.rmtree(made.log, ignore_errors=True)
        _fill(made.log, megabytes * 1_000_000)
        pull = [sys.executable, "-m", "sldb", "--local", str(made.log), "pull", str(made.file)]
        subprocess.run(pull, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return made


def _fill(log: Path, size_bytes: int) -> None:
    service = container(DirectoryStore(log))
    fill(service, size_bytes)
    service.close()
    run_pass(log)


def run_pass(log: Path) -> None:
    """Run a pass of maintenance, and let the head be of now: half an hour later it is not trusted any more."""
    store, host = DirectoryStore(log), Host()
    Maintenance(store, host, Log("error"), retention_days=30).run(host.now() + 900, only="main")
    found, etag = head.read(store, "main")
    assert found
    head.advance(store, "main", replace(found, checked_at=host.now()), etag)
