"""The ledger: every LTX file at the moment at which the store accepted it, and its maker.

Some rules are checked at once: transactions follow each other without a gap, none is ever made twice, no deletion makes
a transaction unreadable during its retention period, and a lock is freed only by its holder, past its age, or by force.

A copy of a database (branch, rename) appears at once, when its base is written: from then on its log is that of its
source up to the copied transaction, and from there it keeps the promises of any log.

If processes may be paused for hours in the middle of a request and then continue (`are_patient`), one of them may make
a transaction again that came and was removed meanwhile. That file is in no chain, and no client may get it as a result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lambda_handlers.shared.lock_holder import locked_database
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.copy_mark import is_mark
from lambda_handlers.storage.log.keys import FOLD_LEVEL, LtxName, atlas_key, head_key, parse_ltx_key
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid
from lambda_handlers.storage.pages.head import Head
from lambda_handlers.storage.upkeep.retention import FLOOR_SECONDS
from tests.simulation.checking.doubts import Doubts
from tests.simulation.checking.work_items import WorkItems
from tests.simulation.histories.history import History

LOCK_MAX_AGE_SECONDS = 90.0
MOST_SKEW_SECONDS = 25.0  # of a clock, so that two are never a minute apart
COPYING = ("branch", "rename_database")
PERIOD_SLACK_SECONDS = 5.0  # the store tells times in whole seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction."""

    txid: int
    body: bytes  # empty: never there to be read
    by: Any  # the delivery whose container made it
    at: float

    @property
    def is_announcement(self) -> bool:
        """True if it is an announcement; the checker verifies that it changes nothing."""
        return kinds.of_node_id(Header.decode(self.body, "entry").node_id) is Kind.ANNOUNCEMENT


@dataclass(frozen=True, slots=True)
class Copy:
    """The moment at which a database appeared as a copy of another one."""

    database: str
    source: str
    txid: int
    by: Any


@dataclass(slots=True)
class Log:
    """The log of one database."""

    entries: list[Entry] = field(default_factory=list)  # the one of transaction n is at n - 1
    compacted: list[tuple[LtxName, bytes]] = field(default_factory=list)
    folds: list[tuple[int, Any]] = field(default_factory=list)  # the last transaction of each, and who put it
    there: set[LtxName] = field(default_factory=set)
    deleted: int = 0  # files
    zombies: int = 0
    heads: list[bytes] = field(default_factory=list)  # as they came
    heads_put_back: list[tuple[Any, str]] = field(default_factory=list)
    head_txid: Txid = 0  # of the head that is there; 0: none, or one that was spoiled
    advice: list[tuple[str, bytes, Any]] = field(default_factory=list)  # page maps, atlases, heads; and who wrote them
    mark: Header | None = None  # where a copy is being made
    begins_at: int = 0  # of a copy, its first transaction of its own right
    appeared_at: float = 0.0

    @property
    def newest(self) -> int:
        return len(self.entries)

    def newest_at(self, time: float) -> int:
        return sum(entry.at < time for entry in self.entries) if self.appeared_at < time else 0

    def promised_from(self, now: float, retention_seconds: float) -> int:
        """Return the first transaction that was the newest one at some moment of the retention period."""
        began = now - max(retention_seconds, FLOOR_SECONDS) + PERIOD_SLACK_SECONDS
        first = next((e.txid for e, later in pairwise(self.entries) if later.at > began), self.newest)
        return max(first, self.begins_at)

    def is_readable(self, txid: int) -> bool:
        """Return True if the existing files lead to a transaction: directly from the definition of a chain."""
        usable = sorted((n for n in self.there if n.max_txid <= txid), key=lambda n: n.min_txid)
        reach = max((n.max_txid for n in usable if n.min_txid == 1), default=0)
        for name in usable:
            if name.min_txid <= reach + 1:
                reach = max(reach, name.max_txid)
        return 0 < reach == txid


class Ledger:
    def __init__(self, history: History, retention_seconds: float, are_patient: bool) -> None:
        self.logs: dict[str, Log] = {}
        self.events: list[tuple[str, Entry] | Copy] = []  # transactions, each with its database, and copies
        self._history = history
        self._retention_seconds = retention_seconds
        self._are_patient = are_patient
        self.work_items = WorkItems(history)
        self._doubts = Doubts(history)
        self.takers: dict[str, Any] = {}  # of every lock, by its id
        self.let_go: set[str] = set()  # locks that were freed, or whose release was sent
        self._locks: dict[str, tuple[Any, float]] = {}  # id → who took it, and the time that it tells
        self._held: dict[str, str] = {}  # by database: the id in its lock object

    def log(self, database: str) -> Log:
        return self.logs.setdefault(database, Log())

    def written(self, key: str, body: bytes, by: Any) -> None:
        database = key.split("/", 1)[0]
        name = parse_ltx_key(database, key)
        self._history.add(by, f"wrote {key} ({len(body)} bytes)")
        if name is not None:
            self._doubts.file_written(database, name, body, by)
            self._file_written(database, name, body, by)
        self.work_items.written(key)
        self._doubts.written(key)
        if key == head_key(database):
            self._head_written(database, body, by)
        if by.operation.kind != "spoil" and (
            key.endswith(".pages") or key in (atlas_key(database), head_key(database))
        ):
            self.log(database).advice.append((key, body, by))
        if locked := locked_database(key):
            self._lock_written(locked, body, by)

    def _head_written(self, database: str, body: bytes, by: Any) -> None:
        """Note a head put over a newer one, after whatever pause."""
        log, head = self.log(database), Head.decode(body, database)
        log.heads.append(body)
        txid = 0 if by.operation.kind == "spoil" or head is None else head.txid
        if 0 < txid < log.head_txid:
            log.heads_put_back.append((by, f"a head of {txid} over that of {log.head_txid}"))
        log.head_txid = txid

    def _file_written(self, database: str, name: LtxName, body: bytes, by: Any) -> None:
        log = self.log(database)
        if (
            by.operation.action in COPYING
            and database != by.operation.database
            and self._copied(database, name, body, by)
        ):
            return
        if name.level:
            log.there.add(name)
            log.compacted.append((name, body))
            if name.level == FOLD_LEVEL and by.operation.action not in COPYING:
                log.folds.append((name.max_txid, by))
        elif (
            log.mark
            and not log.entries
            and name.max_txid == log.mark.max_txid + 1
            and by.operation.action == "drop_database"
        ):
            self._dropped_unfinished(database, log.mark.max_txid, by)
            self._file_written(database, name, body, by)
        elif name.max_txid == log.newest + 1:
            log.there.add(name)
            entry = Entry(name.max_txid, body, by, self._history.now())
            log.entries.append(entry)
            if not entry.is_announcement:
                by.entries.append(entry)
            self.events.append((database, entry))
        elif self._are_patient and name.max_txid <= log.newest and name not in log.there:
            log.zombies += 1
        else:
            self._history.violate(
                "order", f"{by} made transaction {name.max_txid} of {database} when {log.newest} was the newest"
            )

    def _copied(self, database: str, name: LtxName, body: bytes, by: Any) -> bool:
        """Return True if the file is one of a copy, and neither a later transaction nor a fold of such."""
        log, header = self.log(database), Header.decode(body, str(name))
        is_late = log.entries and name.level == 0 and name.max_txid <= log.begins_at
        if is_mark(header, name):
            log.mark = header
            if log.entries:
                self._history.violate("copy", f"{by} makes a copy of {database}, which has {log.newest} transactions")
        elif log.entries and not is_late:
            return False
        else:
            log.compacted.append((name, body))
        log.there.add(name)
        if name.min_txid == 1 and not is_mark(header, name):
            self._appear(database, log.mark.max_txid if log.mark else 1, by)
        return True

    def _dropped_unfinished(self, database: str, txid: int, by: Any) -> None:
        """Drop a copy that was never complete, behind its intended end; no client may read the remains."""
        log = self.log(database)
        log.entries = [Entry(number, b"", by, self._history.now()) for number in range(1, txid + 1)]
        log.begins_at, log.appeared_at = txid + 1, self._history.now()
        self.events.append(Copy(database, "", txid, by))

    def _appear(self, database: str, txid: int, by: Any) -> None:
        log, source = self.log(database), by.operation.database
        if log.entries:
            return
        log.entries = self.log(source).entries[:txid]
        log.begins_at, log.appeared_at = txid, self._history.now()
        self.events.append(Copy(database, source, txid, by))
        if not log.is_readable(txid):
            self._history.violate("copy", f"{by} made {database} appear at {txid}, and not all of it is there")

    # Locks

    def _lock_written(self, database: str, body: bytes, by: Any) -> None:
        fields = json.loads(body)
        if fields["owner"] is None:
            self._held.pop(database, None)
            self.lock_freed(fields["released"], by)
        else:
            self._note_broken(self._held.get(database, ""))
            self._held[database] = fields["owner"]
            self.lock_taken(fields["owner"], fields["created_at"], by)

    def _note_broken(self, lock_id: str) -> None:
        """Note that a lock was taken over before its age: its object looked damaged, and its holder cannot release
        it."""
        _, created_at = self._locks.get(lock_id, (None, float("-inf")))
        if self._history.now() - created_at < LOCK_MAX_AGE_SECONDS - MOST_SKEW_SECONDS:
            self.let_go.add(lock_id)

    def lock_taken(self, lock_id: str, created_at: float, by: Any) -> None:
        self._history.add(by, f"has lock {lock_id}")
        self.takers[lock_id] = by
        self._locks[lock_id] = (by, created_at)

    def lock_release_sent(self, lock_id: str) -> None:
        self.let_go.add(lock_id)

    def lock_freed(self, lock_id: str, by: Any) -> None:
        self.let_go.add(lock_id)
        self._history.add(by, f"frees lock {lock_id}")
        holder, created_at = self._locks.pop(lock_id, (by, 0.0))
        age = self._history.now() - created_at
        if holder is not by and by.operation.kind != "unlock" and age < LOCK_MAX_AGE_SECONDS - MOST_SKEW_SECONDS:
            self._history.violate("lock", f"{by} freed the lock of {holder}, which was {age:.1f} s old")

    def deleted(self, key: str, by: Any) -> None:
        database = key.split("/", 1)[0]
        name = parse_ltx_key(database, key)
        self._history.add(by, f"deleted {key}")
        self.work_items.deleted(key, by)
        self._doubts.deleted(key, by)
        if key == head_key(database):
            self.log(database).head_txid = 0
        if lock_id := self._held.pop(locked_database(key) or "", None):
            self.lock_freed(lock_id, by)
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
