"""Write amplification: bytes written for each committed byte, and the cost of a cold read after many commits.

    python -m benchmarks.amplification [MEGABYTES] [COMMITS] [COMMITS A PASS]        default: 100 10000 900

One-row updates of random rows by one warm writer, with its folds, page maps and heads, and a maintenance pass after
every so many (a minute at full speed). Bytes are counted by their purpose; nothing is timed. The cold reads are taken
on the simulated S3 at the moments with the most files to read, and right after a pass.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any, cast

from benchmarks.simulated_s3 import Figures, SimulatedS3
from benchmarks.storage import POINT
from benchmarks.workload import container, fill, run, show
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.stores.memory import memory_store


class Tally:
    """A store that adds up the bytes written to it, by purpose."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.written: Counter[str] = Counter()

    def create(self, key: str, body: bytes) -> str:
        self._add(key, len(body))
        return self.store.create(key, body)

    def create_from(self, key: str, chunks: Any) -> None:
        body = b"".join(chunks)
        self._add(key, len(body))
        self.store.create_from(key, [body])

    def replace(self, key: str, body: bytes, etag: str) -> str:
        self._add(key, len(body))
        return self.store.replace(key, body, etag)

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.store, verb)

    def _add(self, key: str, size: int) -> None:
        level = key.split("/")[1]
        names = {"0000": "commits", "0001": "folds", "0002": "merges", "0009": "snapshots"}
        self.written["page maps" if key.endswith(".pages") else names.get(level, "heads, atlases and leases")] += size


def cold_read(store: ObjectStore) -> Figures:
    simulated = SimulatedS3(store)
    service = container(simulated)
    _, figures = simulated.measure(lambda: run(service, POINT))
    service.close()
    return figures


def main(megabytes: int, commits: int, commits_a_pass: int) -> None:
    tally = Tally(memory_store())
    store = cast("ObjectStore", tally)
    service = container(store)
    fill(service, megabytes * 1_000_000)
    maintenance = Maintenance(store, Host(), Log("error"), retention_days=30)
    maintenance.run(Host().now() + 900, only="main")
    rows = [("fresh", cold_read(store))]
    tally.written.clear()
    users = run(service, "SELECT count(*) FROM users").rows[0][0]
    assert isinstance(users, int)
    chance, worst = random.Random(1), rows[0]
    for number in range(1, commits + 1):
        run(service, "UPDATE users SET karma = karma + 1 WHERE id = ?", [chance.randrange(users)])
        is_last = number in (commits, commits - commits % commits_a_pass)
        if number % 16 == 15 and number % 144 > 128:  # about as many files as there ever are
            worst = max(worst, (f"after {number:,} commits", cold_read(store)), key=lambda one: one[1].requests)
        if number % commits_a_pass == 0 or is_last:
            maintenance.run(Host().now() + 900, only="main")
            if is_last:
                rows.append((f"right after a pass, after {number:,} commits", cold_read(store)))
    rows.append((f"at its worst, {worst[0]}", worst[1]))
    service.close()
    committed = tally.written["commits"]
    show(
        f"{commits:,} one-row updates of a database of {megabytes} MB, a pass every {commits_a_pass:,}",
        ("what for", "MB", "of what was committed"),
        [(name, size / 1e6, size / committed) for name, size in tally.written.most_common()]
        + [("all", sum(tally.written.values()) / 1e6, sum(tally.written.values()) / committed)],
    )
    show(
        "A cold point read",
        ("when", "requests", "rounds", "MB down", "ms"),
        [(name, figures.requests, figures.rounds, figures.down / 1e6, figures.ms) for name, figures in rows],
    )


if __name__ == "__main__":
    main(*([int(argument) for argument in sys.argv[1:]] + [100, 10_000, 900][len(sys.argv) - 1 :]))
