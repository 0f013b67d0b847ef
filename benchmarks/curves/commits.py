"""The number of commits behind a database: its reads, writes, history and passes, up to 100,000 commits.

One-row updates of a database of 1 MB, with a pass of maintenance after every 900 and a last one before the figures.
"""

from __future__ import annotations

import random
from datetime import datetime, timezone

from benchmarks.curves.figures import Row, Table, measure
from benchmarks.peers.operations import READS, WRITES
from benchmarks.simulated_s3 import SimulatedS3
from benchmarks.workload import container, fill, run
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.wire import Action
from tests.fakes.stores.memory import memory_store

COMMITS = (100, 1000, 10_000, 100_000)
COMMITS_A_PASS = 900


def table(*commits: int) -> Table:
    store = SimulatedS3(memory_store())
    store.is_slow = False
    service, chance, rows, done = container(store), random.Random(1), list[Row](), 0
    moments: list[str] = []
    fill(service, 1_000_000)
    for target in commits or COMMITS:
        while done < target:
            run(service, "UPDATE users SET karma = karma + 1 WHERE id = ?", [chance.randrange(1, 90)])
            done += 1
            moments.append(datetime.now(timezone.utc).isoformat())
            if done % COMMITS_A_PASS == 0:
                _pass(store)
        _pass(store)
        store.is_slow = True
        rows.extend(_measure(store, target, moments[target // 2]))
        store.is_slow = False
    service.close()
    return Table("commits", "commits", rows)


def _measure(store: SimulatedS3, commits: int, moment: str) -> list[Row]:
    point, update = READS["point read"], WRITES["write of a row"]
    warm = container(store)
    rows = [measure(store, commits, "cold point read", lambda: run(warm, point))]
    run(warm, update)
    rows.append(measure(store, commits, "warm write of a row", lambda: run(warm, update)))
    rows.append(measure(store, commits, "history of 10", lambda: warm.act(Action("history", "main", {"limit": 10}))))
    rows.append(measure(store, commits, "read at a txid", lambda: run(warm, point, at=commits // 2)))
    rows.append(measure(store, commits, "read at a time", lambda: run(warm, point, at=moment)))
    rows.append(measure(store, commits, "a pass", lambda: _pass(store)))
    warm.close()
    return rows


def _pass(store: SimulatedS3) -> None:
    host = Host()
    Maintenance(store, host, Log("error"), retention_days=30).run(host.now() + 900, only="main")
