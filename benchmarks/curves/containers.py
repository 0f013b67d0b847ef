"""The number of warm containers over one database: the reads of all of them, without news and after a commit."""

from __future__ import annotations

from benchmarks.curves.figures import Row, Table, measure
from benchmarks.peers.operations import READS, WRITES
from benchmarks.simulated_s3 import SimulatedS3
from benchmarks.workload import container, fill, run
from lambda_handlers.service import Service
from tests.fakes.stores.memory import memory_store

CONTAINERS = (1, 10, 100, 1000)


def table(*containers: int) -> Table:
    store = SimulatedS3(memory_store())
    store.is_slow = False
    writer, rows, fleet = container(store), list[Row](), list[Service]()
    fill(writer, 1_000_000)
    for count in containers or CONTAINERS:
        while len(fleet) < count:
            fleet.append(container(store))
            run(fleet[-1], READS["point read"])
        rows.append(measure(store, count, "a read in each", lambda: _read(fleet)))
        run(writer, WRITES["write of a row"])
        rows.append(measure(store, count, "a read in each, after a commit", lambda: _read(fleet)))
    for service in (*fleet, writer):
        service.close()
    return Table("containers", "warm containers", rows)


def _read(fleet: list[Service]) -> None:
    for service in fleet:
        run(service, READS["point read"])
