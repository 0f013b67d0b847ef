"""Requests for the past of a database with a thousand transactions, and with a hundred times as many."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_handlers.storage.log.keys import LtxName, snapshot, transaction
from lambda_handlers.wire import Action
from tests.fakes.databases.service import container
from tests.fakes.stores.listed import ListedStore

NOW = 1_700_000_000
COUNTS = (1_000, 100_000)


def store(count: int) -> ListedStore:
    """Transactions a second apart, with a snapshot every 500 and a fold every 250."""
    files = {snapshot(txid): NOW + txid + 0.5 for txid in range(500, count + 1, 500)}
    files |= {LtxName(1, txid - 15, txid): NOW + txid + 0.5 for txid in range(250, count + 1, 250)}
    return ListedStore(files, range(1, count + 1), lambda txid: NOW + txid)


def history(log: ListedStore, **arguments: Any) -> list[dict[str, Any]]:
    reply = container(log).act(Action("history", arguments=arguments))  # type: ignore[arg-type]  # the verbs it uses
    return list(reply["transactions"])


@pytest.mark.parametrize("count", COUNTS)
def test_history_lists_the_end_of_the_log(count: int) -> None:
    log = store(count)
    lines = history(log, limit=10)
    assert [line["txid"] for line in lines] == list(range(count, count - 10, -1))
    assert all(line["readable"] for line in lines)
    assert log.asked == {"LIST": 3, "GET": 10}


@pytest.mark.parametrize("before", [2, 600, 50_000, 99_999])
def test_a_page_of_the_history_lists_its_own_transactions(before: int) -> None:
    log = store(100_000)
    lines = history(log, limit=100, before=before)
    assert [line["txid"] for line in lines] == list(range(before - 1, max(0, before - 101), -1))
    assert log.asked["LIST"] <= 4


def test_history_of_transactions_that_were_removed_shows_the_file_that_has_them() -> None:
    log = store(100_000)
    log.singles = range(60_001, 100_001)
    assert [(line["min_txid"], line["txid"]) for line in history(log, limit=3, before=60_002)] == [
        (60_001, 60_001),
        (59_985, 60_000),
        (1, 59_984),
    ]
    assert log.asked["LIST"] <= 5


def test_history_lists_all_if_transactions_are_missing_in_the_middle() -> None:
    files = {transaction(txid): float(NOW + txid) for txid in range(1, 3001)}
    log = ListedStore({**files, LtxName(1, 59_985, 60_000): NOW}, range(60_001, 61_001), lambda txid: NOW + txid)
    assert [line["txid"] for line in history(log, limit=3, before=60_002)] == [60_001, 60_000, 3000]
