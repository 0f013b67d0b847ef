"""Doubts as the store sees them: one comes before each drop, and none goes while its database is dropped (`names`)."""

from __future__ import annotations

from typing import Any

from lambda_handlers.storage.log.copy_mark import is_mark
from lambda_handlers.storage.log.keys import LtxName, parse_doubt_key
from lambda_handlers.storage.log.ltx import Header, Txid
from tests.simulation.histories.history import History


class Doubts:
    def __init__(self, history: History) -> None:
        self._history = history
        self._there: dict[str, set[Txid]] = {}  # by database
        self._dropped: set[str] = set()

    def written(self, key: str) -> None:
        if doubt := parse_doubt_key(key):
            self._there.setdefault(doubt[0], set()).add(doubt[1])

    def file_written(self, database: str, name: LtxName, body: bytes, by: Any) -> None:
        """Note a transaction, which may be a drop."""
        header = Header.decode(body, str(name))
        if name.level or is_mark(header, name):
            return
        if header.commit:
            self._dropped.discard(database)
            return
        self._dropped.add(database)
        if name.max_txid not in self._there.get(database, ()):
            self._history.violate("names", f"{by} dropped {database} at {name.max_txid}, and had put no doubt")

    def deleted(self, key: str, by: Any) -> None:
        if (doubt := parse_doubt_key(key)) is None:
            return
        self._there[doubt[0]].discard(doubt[1])
        if doubt[0] in self._dropped and not self._there[doubt[0]]:
            self._history.violate("names", f"{by} deleted {key}, and the database is dropped")
