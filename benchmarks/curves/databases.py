"""The number of idle databases: a minute of the scheduled function, a quarter of an hour of it, and their list."""

from __future__ import annotations

from benchmarks.curves.figures import Row, Table, measure
from benchmarks.simulated_s3 import SimulatedS3
from benchmarks.workload import container, run
from lambda_handlers.log import Log
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action
from tests.fakes.clock import Clock
from tests.fakes.stores.memory import memory_store

DATABASES = (1, 10, 100, 1000, 10_000)
MINUTES = 60  # until the first sweep is over


def table(*databases: int) -> Table:
    return Table("databases", "idle databases", [row for count in databases or DATABASES for row in _measure(count)])


def _measure(count: int) -> list[Row]:
    store = SimulatedS3(_filled(count))
    store.is_slow = False  # the requests are what is counted: one after the other, they take hours
    clock = Clock()
    clock.time = clock.time + 120  # they are idle for two minutes
    maintenance = Maintenance(store, clock.host(), Log("error"), retention_days=30)

    def minute() -> None:
        clock.time += 60
        maintenance.run(clock.now() + 1e9)

    for _ in range(MINUTES):
        minute()
    rows = [measure(store, count, "a minute", minute)]

    def hour() -> None:
        for _ in range(60):
            minute()

    rows.append(measure(store, count, "an hour", hour))
    service = container(store)
    rows.append(measure(store, count, "their list", lambda: service.act(Action("databases"))))
    service.close()
    return rows


def _filled(count: int) -> ObjectStore:
    """Return a store with so many copies of a database with one row."""
    store = memory_store()
    service = container(store)
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    service.close()
    made = [(one.key, store.get(one.key)) for one in store.list_objects("main/")]
    for number in range(count - 1):
        for key, body in made:
            store.put(f"db-{number:05d}/{key.partition('/')[2]}", body)
    return store
