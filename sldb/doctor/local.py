"""Checks of a directory for databases: it can be written, writes reach the disk, there is room."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.doctor.finding import Finding, checked, ok
from sldb.progress.protocol import SILENT, Progress

WARN_BYTES, FAIL_BYTES = 1_000_000_000, 50_000_000  # free on the disk, at least


def findings(directory: Path, client: Client, progress: Progress = SILENT) -> Iterator[Finding]:
    """Yield the findings as they come; `progress` gets the name of each check before it."""
    progress.begin("checking the directory")
    existing = _nearest(directory)
    writable = _writable(directory, existing)
    yield writable
    if writable.state == "ok":
        from sldb.doctor import store

        progress.begin("checking commits")
        yield store.check_directory(existing)
    yield _room(existing)
    progress.begin("checking the engine")
    yield checked("engine", lambda: engine(client))


def engine(client: Client) -> Finding:
    """Return the version of SQLite and the time of a query. Raises SldbError."""
    started = time.monotonic()
    # Without a database nothing is read, but the whole way to the store is covered.
    reply = client.execute(Request((Statement("SELECT sqlite_version()"),), read_only=True))
    took = (time.monotonic() - started) * 1000
    version = str(reply.rows[0][0])
    return ok("engine", f"SQLite {version} answers in {took:.0f} ms; {client.database} is at txid {reply.txid}")


def _nearest(directory: Path) -> Path:
    """Return the directory, or the nearest existing one above it."""
    for each in (directory, *directory.parents):
        if each.exists():
            return each
    return directory


def _writable(directory: Path, existing: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"sldb doctor")
            file.flush()
            started = time.monotonic()
            os.fsync(file.fileno())
            took = (time.monotonic() - started) * 1000
    except OSError as error:
        hint = "choose another with --local DIR, or get the right to write there"
        return Finding("directory", "fail", f"{existing} cannot be written: {error.strerror}", hint)
    made = "" if existing == directory else " (created by the first write)"
    return ok("directory", f"{directory}{made} can be written, and fsync takes {took:.1f} ms")


def _room(existing: Path) -> Finding:
    from sldb.report import size

    free = shutil.disk_usage(existing).free
    state = "ok" if free >= WARN_BYTES else "warn" if free >= FAIL_BYTES else "fail"
    return Finding(
        "disk", state, f"{size(free)} free", "" if state == "ok" else "free some space: every write needs some"
    )
