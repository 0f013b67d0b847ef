"""The requests of clients under chaos, and their outcomes: a journal survives the SIGKILL of its client.

The workload is double-entry bookkeeping: a write adds one entry *and* counts it in another table, in one transaction.
So every state of the database shows torn transactions and lost updates: entries and count must agree.

A journal has a line before a request is sent, with everything needed to send it again, and one after its outcome:

    acknowledged   a reply came; `txid` is its transaction
    refused        an error came, and nothing was applied
    unknown        any other error, or none: the client was killed. Sending it again with its request id tells

Times are those of the system's monotonic clock, shared by all processes of a machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from lambda_handlers.wire import Reply, Request, SldbError, Statement

CREATE = Request(
    (
        Statement("CREATE TABLE IF NOT EXISTS entries (id TEXT NOT NULL, filling BLOB NOT NULL)"),
        Statement("CREATE TABLE IF NOT EXISTS total (entries INTEGER NOT NULL)"),
        Statement("INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT * FROM total)"),
    ),
    request_id="create",
)
COUNTS = Request((Statement("SELECT (SELECT count(*) FROM entries), entries FROM total"),), read_only=True)


LARGE_BYTES = 1 << 20  # from here on a write's filling is noise, which no compression makes small


def entry(write_id: str, size_bytes: int, timeout: float | None = None) -> Request:
    """A write; whenever it is sent, it is the same."""
    filling = "randomblob" if size_bytes >= LARGE_BYTES else "zeroblob"
    return Request(
        (
            Statement(f"INSERT INTO entries VALUES (?, {filling}(?))", (write_id, size_bytes)),
            Statement("UPDATE total SET entries = entries + 1"),
        ),
        request_id=write_id,
        timeout=timeout,
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request of a client, and its outcome as far as the client knows it."""

    id: str
    kind: str  # write or read
    size_bytes: int  # of a write's filling
    began_at: float
    ended_at: float = float("inf")
    outcome: str = "unknown"
    txid: int | None = None
    counts: tuple[int, int] | None = None  # what a read saw
    error: str | None = None  # code and message

    @property
    def code(self) -> str | None:
        return self.error and self.error.partition(":")[0]


class Journal:
    """Appends whole lines past all buffers of this process."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def begin(self, attempt_id: str, kind: str, size_bytes: int = 0) -> None:
        self._append(id=attempt_id, kind=kind, size_bytes=size_bytes, began_at=time.monotonic())

    def replied(self, attempt_id: str, reply: Reply, kind: str) -> None:
        counts = reply.results[-1].rows[0] if kind == "read" else None
        self._end(attempt_id, outcome="acknowledged", txid=reply.txid, counts=counts)

    def failed(self, attempt_id: str, error: SldbError) -> None:
        outcome = "refused" if says_not_applied(error) else "unknown"
        self._end(attempt_id, outcome=outcome, error=f"{error.code}: {error.message}")

    def _end(self, attempt_id: str, **fields: Any) -> None:
        self._append(id=attempt_id, ended_at=time.monotonic(), **fields)

    def _append(self, **fields: Any) -> None:
        os.write(self._descriptor, json.dumps(fields).encode() + b"\n")


def says_not_applied(error: SldbError) -> bool:
    """Return True if the error promises its user that nothing was applied."""
    return error.details.get("applied") == "no"


def read_journals(paths: Iterable[Path]) -> list[Attempt]:
    return [attempt for path in sorted(paths) for attempt in _read(path)]


def _read(path: Path) -> Iterator[Attempt]:
    attempts: dict[str, dict[str, Any]] = {}
    whole_lines = path.read_bytes().split(b"\n")[:-1]
    for line in whole_lines:
        fields = json.loads(line)
        attempts.setdefault(fields["id"], {}).update(fields)
    for fields in attempts.values():
        counts = fields.pop("counts", None)
        yield Attempt(**fields, counts=tuple(counts) if counts else None)
