"""Lambda, as far as it matters: the assignment of requests to containers, and the content of a container.

A request goes to an idle container or to a new one; a container serves one request at a time and keeps its state
between them; without a request it is frozen. It is killed when its function's time is up, unless the plan has processes
that live on (`are_patient`), such as those over a directory. With an extension (`has_extension`) a container has work
after its reply: its client has the answer, and the container is not idle before the work is done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambda_handlers.deadlock_fix import free_locks
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store_clock import StoreClock
from tests.simulation.checking.ledger import LOCK_MAX_AGE_SECONDS
from tests.simulation.histories.history import History
from tests.simulation.histories.outcome import Delivery
from tests.simulation.histories.plan import Plan, WrongClock
from tests.simulation.world.bucket import Bucket, BucketStore
from tests.simulation.world.chance import Chance
from tests.simulation.world.container import Container
from tests.simulation.world.ec2 import Region, RegionClient
from tests.simulation.world.faults import Faults
from tests.simulation.world.nfs import NfsStore
from tests.simulation.world.scheduler import Task, World
from tests.simulation.world.two_buckets import TwoBucketStore

NEW_CONTAINER_RATE = 0.15
SWEEP_SECONDS = 900.0  # instead of a day, which few histories last


class Platform:
    def __init__(
        self, plan: Plan, world: World, chance: Chance, faults: Faults, history: History, bucket: Bucket
    ) -> None:
        self._plan = plan
        self._world = world
        self._chance = chance
        self._faults = faults
        self._history = history
        self._bucket = bucket
        self._region = Region(lambda: world.now, chance, bucket.ledger)
        self._running: dict[str, list[Container]] = {"c": [], "sweeper": []}
        self._made = 0
        self._directory = str(Path(tempfile.gettempdir()) / "sldb-simulation")

    def for_request(self, delivery: Delivery) -> Container:
        return self._pick("c", delivery, self._service)

    def for_sweep(self, delivery: Delivery) -> Container:
        return self._pick("sweeper", delivery, self._sweeper)

    def for_operator(self) -> tuple[Container, WriteLock]:
        """Return an operator's machine, and the lock as it sees it."""
        container = self._new("operator")
        return container, self._lock(container, self._store(container))

    def for_reader(self, database: str) -> tuple[Container, Callable[[], Replica]]:
        """Return a new container, and a function that opens replicas of a database in it."""
        container = self._new("reader")
        store = self._store(container)
        limit = self._plan.cache_bytes
        return container, lambda: Replica(store, database, Path(self._directory), container.host, limit)

    def some(self, name: str) -> Container | None:
        """Return one of the serving containers, by chance."""
        alive = self._alive("c")
        return self._chance.choice(name, alive) if alive else None

    def serve(self, container: Container, delivery: Delivery, work: Callable[[], object]) -> Task:
        """Run `work` in a task of the container."""
        delivery.container = container
        container.busy_with = delivery

        def serve() -> None:
            try:
                work()
            finally:
                self._work_after_reply(container, delivery)

        task = self._world.spawn(serve, container, delivery)
        container.tasks = [one for one in container.tasks if not one.is_done]
        container.tasks.append(task)

        def time_is_up() -> None:
            if container.busy_with is delivery and not container.is_dead:
                self._history.add(delivery, "the function's time is up")
                container.die()

        if not self._plan.are_patient:
            self._world.at(self._world.now + delivery.operation.function_seconds, time_is_up)
        return task

    def _work_after_reply(self, container: Container, delivery: Delivery) -> None:
        """Do what an extension does, in a task of its own; then the container is idle."""

        def work() -> None:
            try:
                container.begin_after_reply()
                container.what_runs.after_reply.finish()
            finally:
                self._end(container, delivery)

        has_work = self._plan.has_extension and isinstance(container.what_runs, Service)
        if has_work and container.what_runs.after_reply.is_due and not container.is_dead:
            container.tasks.append(self._world.spawn(work, container, delivery))
        else:
            self._end(container, delivery)

    @staticmethod
    def _end(container: Container, delivery: Delivery) -> None:
        if container.busy_with is delivery:
            container.busy_with = None

    def thaw(self) -> None:
        for container in [*self._alive("c"), *self._alive("sweeper")]:
            container.frozen_until = 0.0

    def close(self) -> None:
        for container in [*self._alive("c"), *self._alive("sweeper")]:
            container.close()

    def _alive(self, kind: str) -> list[Container]:
        self._running[kind] = [container for container in self._running[kind] if not container.is_dead]
        return self._running[kind]

    def _pick(self, kind: str, delivery: Delivery, furnish: Callable[[Container, BucketStore], Any]) -> Container:
        alive = self._alive(kind)
        idle = [container for container in alive if container.busy_with is None]
        name = f"{kind} for {delivery.operation.number}.{delivery.number}"
        wants_new, which = self._chance.numbers(name, 2)
        has_room = len(alive) < self._plan.most_containers
        if idle and not (has_room and wants_new < NEW_CONTAINER_RATE):
            return idle[int(which * len(idle))]
        container = self._new(kind)
        if self._plan.wrong_clock:
            container.store_clock = PlannedClock(container, self._plan.wrong_clock)
        container.what_runs = furnish(container, self._store(container))
        alive.append(container)
        return container

    def _new(self, kind: str) -> Container:
        self._made += 1
        return Container(f"{kind}{self._made}", self._world, self._chance, self._faults, self._history)

    def _store(self, container: Container) -> BucketStore:
        if self._plan.log_ahead_seconds is not None:
            return TwoBucketStore(self._bucket, container, self._plan.log_ahead_seconds)
        return (NfsStore if self._plan.is_on_nfs else BucketStore)(self._bucket, container)

    def _service(self, container: Container, store: BucketStore) -> Service:
        settings = Settings(
            "s3://bucket",
            lock=self._plan.lock,
            lock_max_age_seconds=LOCK_MAX_AGE_SECONDS,
            retention_days=self._plan.retention_days,
            cache_bytes=self._plan.cache_bytes,
            log_level="error",
            temp_dir=self._directory,
        )
        service = Service(settings, container.host, store, self._lock(container, store), container.store_clock)
        if self._plan.works_after_replies or self._plan.has_extension:
            service.after_reply.put_off(has_thread=self._plan.works_after_replies)
        return service

    def _sweeper(self, container: Container, store: BucketStore) -> Sweeper:
        return Sweeper(container, store, self._lock(container, store), self._plan.retention_days)

    def _lock(self, container: Container, store: BucketStore) -> WriteLock:
        times = {"max_age_seconds": LOCK_MAX_AGE_SECONDS, "retry_seconds": 1.0}
        match self._plan.lock:
            case "none":
                return NoLock(container.host)
            case "s3":
                return ObjectLock(store, container.host, **times, clock=container.store_clock)
            case _:
                ec2 = RegionClient(self._region, container)
                return SecurityGroupLock(ec2, container.host, stack="test-db", vpc_id="vpc-1", **times)


class PlannedClock(StoreClock):
    """A container's knowledge of the store's clock, while its own takes the step of the plan."""

    def __init__(self, container: Container, wrong: WrongClock) -> None:
        super().__init__()
        self._container = container
        self._wrong = wrong

    def observe_existing(self, date: float, now: float) -> None:
        super().observe_existing(date, self._read(now))

    def latest(self, now: float) -> float | None:
        return super().latest(self._read(now))

    def corrected(self, now: float) -> float:
        return super().corrected(self._read(now))

    def _read(self, now: float) -> float:
        """Return the reading of the container's clock at that time."""
        is_wrong = self._container.context.operation.number == self._wrong.operation
        return now + self._wrong.seconds if is_wrong else now


class Sweeper:
    """The state and the work of a container of the scheduled function, like deadlock_fix.handler."""

    def __init__(self, container: Container, store: BucketStore, lock: WriteLock, retention_days: float) -> None:
        self._host = container.host
        self._log = Log("error", now=container.host.now)
        self._lock = lock
        self._maintenance = Maintenance(store, container.host, self._log, retention_days, SWEEP_SECONDS)

    def sweep(self, seconds: float) -> None:
        deadline = self._host.now() + seconds - 3.0
        free_locks(self._lock, self._host, self._log, deadline)
        self._maintenance.run(deadline)

    def close(self) -> None:
        """Do nothing: it holds nothing."""


class Context:
    """Lambda's context."""

    def __init__(self, world: World, delivery: Delivery) -> None:
        self.aws_request_id = delivery.invocation_id
        self._world = world
        self._ends_at = world.now + delivery.operation.function_seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0.0, self._ends_at - self._world.now) * 1000)
