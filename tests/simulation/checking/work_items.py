"""Work items as the store sees them: a pass removes one only after a LIST has shown it the item's transaction, or a day
after the item was put (`work`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lambda_handlers.storage.log.keys import parse_ltx_key, parse_work_key
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.work_items import STALE_SECONDS
from tests.simulation.histories.history import History

SLACK_SECONDS = 60.0  # clocks differ, and the store tells times in whole seconds


class WorkItems:
    def __init__(self, history: History) -> None:
        self.ever: set[tuple[str, Txid]] = set()  # database and transaction
        self._history = history
        self._put_at: dict[str, float] = {}  # by key: those that are there
        self._shown: dict[tuple[int, str], Txid] = {}  # the newest transaction, by delivery and database

    def written(self, key: str) -> None:
        if item := parse_work_key(key):
            self.ever.add(item)
            self._put_at[key] = self._history.now()

    def listed(self, keys: Iterable[str], by: Any) -> None:
        """Note what a LIST shows a delivery of the scheduled function."""
        for key in keys:
            database = key.partition("/")[0]
            if name := parse_ltx_key(database, key):
                shown = id(by), database
                self._shown[shown] = max(self._shown.get(shown, 0), name.max_txid)

    def deleted(self, key: str, by: Any) -> None:
        if (item := parse_work_key(key)) is None:
            return
        (database, txid), age = item, self._history.now() - self._put_at.pop(key)
        shown = self._shown.get((id(by), database), 0)
        if txid > shown and age < STALE_SECONDS - SLACK_SECONDS:
            self._history.violate("work", f"{by} deleted {key}, {age:.1f} s old, and has listed up to {shown}")
