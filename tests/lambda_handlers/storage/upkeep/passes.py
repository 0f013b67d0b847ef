"""A database with a scheduled function: what tests of maintenance work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lambda_handlers.log import Log
from lambda_handlers.storage.log import work_items
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, parse_work_key
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

DAY = 86_400.0
RETENTION_DAYS = 2.0


class World:
    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.store = Timed(memory_store(), self.clock)
        self.directory = directory
        self.engines: list[Engine] = []
        self.writer = self.engine()
        self.maintenance = self.container()

    def container(self) -> Maintenance:
        """The scheduled function, cold."""
        return Maintenance(self.store, self.clock.host(), Log("error"), RETENTION_DAYS)  # type: ignore[arg-type]

    def engine(self) -> Engine:
        engine = Engine(self.store, self.directory, self.clock.host())  # type: ignore[arg-type]
        self.engines.append(engine)
        return engine

    def maintain(self, only: str | None = None) -> list[dict[str, Any]]:
        return [report.encode() for report in self.maintenance.run(self.clock.time + 900, only)]

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            self.writer.replica.refresh()
            table = "CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, body)"
            self.writer.write(table, "INSERT INTO t(body) VALUES (randomblob(300))")

    def put_work_item(self) -> None:
        """As the writer of a fold does."""
        work_items.put(self.store, "main", self.writer.replica.txid)  # type: ignore[arg-type]  # a Timed

    def images(self, *txids: int) -> dict[int, bytes]:
        engine, images = self.engine(), {}
        for txid in txids:
            engine.replica.open_at(txid)
            images[txid] = engine.image()
        return images

    @property
    def removed(self) -> list[str]:
        """What passes have deleted, besides work items."""
        return [key for key in self.store.deleted if parse_work_key(key) is None]

    def names(self) -> list[LtxName]:
        return sorted(name for info in self.store.list_objects("main/") if (name := parse_ltx_key("main", info.key)))

    def close(self) -> None:
        for engine in self.engines:
            engine.close()
