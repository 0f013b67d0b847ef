"""The log as it really came about: every LTX file at the moment at which the store took it, and who made it.

What can be seen at once is checked at once: transactions come one after the other without a gap, none is ever made
twice, and no deletion makes a transaction unreadable that retention promises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lambda_handlers.storage.keys import LtxName, parse_ltx_key
from lambda_handlers.storage.retention import FLOOR_SECONDS
from tests.simulation.history import History

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
    def __init__(self, history: History, retention_seconds: float) -> None:
        self.logs: dict[str, Log] = {}
        self._history = history
        self._retention_seconds = retention_seconds

    def log(self, database: str) -> Log:
        return self.logs.setdefault(database, Log())

    def written(self, key: str, body: bytes, by: Any) -> None:
        database = key.split("/", 1)[0]
        name = parse_ltx_key(database, key)
        self._history.add(by, f"wrote {key} ({len(body)} bytes)")
        if name is None:
            return
        log = self.log(database)
        log.there.add(name)
        if name.level:
            log.compacted.append((name, body))
        elif name.max_txid != log.newest + 1:
            self._history.violate(
                "order", f"{by} made transaction {name.max_txid} of {database} when {log.newest} was the newest"
            )
        else:
            entry = Entry(name.max_txid, body, by, self._history.now())
            log.entries.append(entry)
            by.entries.append(entry)

    def deleted(self, key: str, by: Any) -> None:
        database = key.split("/", 1)[0]
        name = parse_ltx_key(database, key)
        self._history.add(by, f"deleted {key}")
        if name is None:
            return
        log = self.log(database)
        log.there.discard(name)
        log.deleted += 1
        for txid in range(log.promised_from(self._history.now(), self._retention_seconds), log.newest + 1):
            if not log.is_readable(txid):
                self._history.violate("retention", f"{by} deleted {key}: transaction {txid} cannot be read any more")
                return
