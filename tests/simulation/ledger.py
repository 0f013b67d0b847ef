"""The log as it really came about: every LTX file at the moment at which the store took it, and who made it.

What can be seen at once is checked at once: transactions come one after the other without a gap, none is ever made
twice, no deletion makes a transaction unreadable that retention promises, and no lock is freed by somebody who neither
has it, nor finds it past its age, nor uses force.

Where processes may stand still for hours in the middle of a request and then go on (`are_patient`), one of them may
make a transaction again that came and was removed meanwhile. That file is in no chain, and nobody may be told of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lambda_handlers.storage.keys import LtxName, head_key, lock_key, parse_ltx_key
from lambda_handlers.storage.retention import FLOOR_SECONDS
from tests.simulation.history import History

LOCK_MAX_AGE_SECONDS = 90.0
MOST_SKEW_SECONDS = 25.0  # of a clock, so that two are never a minute apart
PERIOD_SLACK_SECONDS = 5.0  # the store tells times in whole seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction."""

    txid: int
    body: bytes
    by: Any  # the delivery whose container made it
    at: float


@dataclass(slots=True)
class Log:
    """Of one database."""

    entries: list[Entry] = field(default_factory=list)  # the one of transaction n is at n - 1
    compacted: list[tuple[LtxName, bytes]] = field(default_factory=list)
    there: set[LtxName] = field(default_factory=set)
    deleted: int = 0  # files
    zombies: int = 0
    heads: list[bytes] = field(default_factory=list)  # as they came

    @property
    def newest(self) -> int:
        return len(self.entries)

    def newest_at(self, time: float) -> int:
        return sum(entry.at < time for entry in self.entries)

    def promised_from(self, now: float, retention_seconds: float) -> int:
        """The first transaction that was the newest one at some moment of the retention period."""
        began = now - max(retention_seconds, FLOOR_SECONDS) + PERIOD_SLACK_SECONDS
        return next((e.txid for e, later in pairwise(self.entries) if later.at > began), self.newest)

    def is_readable(self, txid: int) -> bool:
        """Whether the files that are there lead to a transaction: straight from the definition of a chain."""
        usable = sorted((n for n in self.there if n.max_txid <= txid), key=lambda n: n.min_txid)
        reach = max((n.max_txid for n in usable if n.min_txid == 1), default=0)
        for name in usable:
            if name.min_txid <= reach + 1:
                reach = max(reach, name.max_txid)
        return 0 < reach == txid


class Ledger:
    def __init__(self, history: History, retention_seconds: float, are_patient: bool) -> None:
        self.logs: dict[str, Log] = {}
        self._history = history
        self._retention_seconds = retention_seconds
        self._are_patient = are_patient
        self._locks: dict[str, tuple[Any, float]] = {}  # id → who took it, and the time that it tells

    def log(self, database: str) -> Log:
        return self.logs.setdefault(database, Log())

    def written(self, key: str, body: bytes, by: Any) -> None:
        database = key.split("/", 1)[0]
        name = parse_ltx_key(database, key)
        self._history.add(by, f"wrote {key} ({len(body)} bytes)")
        if name is not None:
            self._file_written(database, name, body, by)
        elif key == head_key(database):
            self.log(database).heads.append(body)
        elif key == lock_key(database):
            self._lock_written(body, by)

    def _file_written(self, database: str, name: LtxName, body: bytes, by: Any) -> None:
        log = self.log(database)
        if name.level:
            log.there.add(name)
            log.compacted.append((name, body))
        elif name.max_txid == log.newest + 1:
            log.there.add(name)
            entry = Entry(name.max_txid, body, by, self._history.now())
            log.entries.append(entry)
            by.entries.append(entry)
        elif self._are_patient and name.max_txid <= log.newest and name not in log.there:
            log.zombies += 1
        else:
            self._history.violate(
                "order", f"{by} made transaction {name.max_txid} of {database} when {log.newest} was the newest"
            )

    # Locks

    def _lock_written(self, body: bytes, by: Any) -> None:
        fields = json.loads(body)
        if fields["owner"] is None:
            self.lock_freed(fields["released"], by)
        else:
            self.lock_taken(fields["owner"], fields["created_at"], by)

    def lock_taken(self, lock_id: str, created_at: float, by: Any) -> None:
        self._history.add(by, f"has lock {lock_id}")
        self._locks[lock_id] = (by, created_at)

    def lock_freed(self, lock_id: str, by: Any) -> None:
        self._history.add(by, f"frees lock {lock_id}")
        holder, created_at = self._locks.pop(lock_id, (by, 0.0))
        age = self._history.now() - created_at
        if holder is not by and by.operation.kind != "unlock" and age < LOCK_MAX_AGE_SECONDS - MOST_SKEW_SECONDS:
            self._history.violate("lock", f"{by} freed the lock of {holder}, which was {age:.1f} s old")

    def deleted(self, key: str, by: Any) -> None:
        database = key.split("/", 1)[0]
        name = parse_ltx_key(database, key)
        self._history.add(by, f"deleted {key}")
        if name is None:
            return
        log = self.log(database)
        if name not in log.there:
            return
        log.there.discard(name)
        log.deleted += 1
        for txid in range(log.promised_from(self._history.now(), self._retention_seconds), log.newest + 1):
            if not log.is_readable(txid):
                self._history.violate("retention", f"{by} deleted {key}: transaction {txid} cannot be read any more")
                return
