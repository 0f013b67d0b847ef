"""A table of numbers, written transaction by transaction: what most tests of replicas have in their database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.keys import transaction
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.faulty import (
    FaultyStore,
)

MakeEngine: TypeAlias = Callable[..., Engine]
HALF = RETENTION_FLOOR_SECONDS / 2
CREATE = "CREATE TABLE t(n INTEGER)"


def insert(n: int) -> str:
    return f"INSERT INTO t VALUES ({n})"


def numbers(engine: Engine) -> list[Any]:
    return [n for (n,) in engine.rows("SELECT n FROM t ORDER BY n")]


def key(txid: int) -> str:
    return transaction(txid).key("main")


def written(engine: Engine, count: int) -> Engine:
    """With `count` transactions: the table, then the numbers 2 to `count`."""
    engine.write(CREATE)
    for n in range(2, count + 1):
        engine.write(insert(n))
    return engine


def overwrite(store: FaultyStore, key: str, body: bytes) -> None:
    """What nobody of ours does: damage, or repair by hand."""
    store.store.delete(key)
    store.store.create(key, body)
