"""Whether databases can live in a directory: it can be written, what is written reaches the disk, there is room."""

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

LITTLE_BYTES, TOO_LITTLE_BYTES = 1_000_000_000, 50_000_000


def findings(directory: Path, client: Client) -> Iterator[Finding]:
    there = _nearest(directory)
    writable = _writable(directory, there)
    yield writable
    if writable.state == "ok":
        from sldb.doctor import store

        yield store.of_directory(there)
    yield _room(there)
    yield checked("engine", lambda: engine(client))


def engine(client: Client) -> Finding:
    """Raises SldbError."""
    started = time.monotonic()
    # Without a database nothing is read, but everything up to there is gone through.
    reply = client.execute(Request((Statement("SELECT sqlite_version()"),), read_only=True))
    took = (time.monotonic() - started) * 1000
    version = str(reply.rows[0][0])
    return ok("engine", f"SQLite {version} answers in {took:.0f} ms; {client.database} is at txid {reply.txid}")


def _nearest(directory: Path) -> Path:
    """The directory, or the one above it in which it would be made."""
    for each in (directory, *directory.parents):
        if each.exists():
            return each
    return directory


def _writable(directory: Path, there: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"sldb doctor")
            file.flush()
            started = time.monotonic()
            os.fsync(file.fileno())
            took = (time.monotonic() - started) * 1000
    except OSError as error:
        hint = "choose another with --local DIR, or get the right to write there"
        return Finding("directory", "fail", f"{there} cannot be written: {error.strerror}", hint)
    made = "" if there == directory else " (made by the first write)"
    return ok("directory", f"{directory}{made} can be written, and fsync takes {took:.1f} ms")


def _room(there: Path) -> Finding:
    from sldb.report import size

    free = shutil.disk_usage(there).free
    state = "ok" if free >= LITTLE_BYTES else "warn" if free >= TOO_LITTLE_BYTES else "fail"
    return Finding("disk", state, f"{size(free)} free", "" if state == "ok" else "make room: every write needs some")
