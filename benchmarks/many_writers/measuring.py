"""One measurement: so many writers of one database, for so long."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.many_writers.machines import Machine, Region, WriterEc2, WriterStore
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.sql.chance import GENERATOR, Turns
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Request, SldbError
from tests.fakes.stores.memory import memory_store
from tests.simulation.world.chance import Chance
from tests.simulation.world.scheduler import Task, World, WorldTurns

REQUEST_SECONDS = 30.0  # the time limit of a request


@dataclass(slots=True)
class Result:
    """What one run has counted."""

    seconds: float
    commits: list[int]  # of each writer
    failures: Counter[str] = field(default_factory=Counter)  # by error code
    latencies: list[float] = field(default_factory=list)  # of each commit, seconds
    requests: Counter[str] = field(default_factory=Counter)  # by verb

    @property
    def a_second(self) -> float:
        return sum(self.commits) / self.seconds

    @property
    def requests_a_commit(self) -> float:
        return sum(self.requests.values()) / max(1, sum(self.commits))

    def latency(self, share: float) -> float:
        """Return the latency that this share of the commits did not exceed, in seconds."""
        ordered = sorted(self.latencies) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(lock: str, writers: int, seconds: float, seed: str = "1") -> Result:
    """Let the writers write for so long."""
    world, chance, store = World(), Chance(seed), memory_store()
    result = Result(seconds, [0] * writers)
    region, dates = Region(world), dict[str, float]()

    def new_service(machine: Machine) -> Service:
        seen: Any = WriterStore(store, machine, dates)
        return Service(_settings(lock), machine.host, seen, new_lock(machine, seen))

    def new_lock(machine: Machine, seen: ObjectStore) -> WriteLock:
        times = {"max_age_seconds": 120.0, "retry_seconds": 1.0}
        if lock == "none":
            return NoLock(machine.host)
        if lock == "s3":
            return ObjectLock(seen, machine.host, **times)
        ec2: Any = WriterEc2(region, machine)
        return SecurityGroupLock(ec2, machine.host, stack="bench", vpc_id="vpc-1", **times)

    def prepare() -> None:
        service = new_service(Machine(world, chance, "first"))
        service.reply(_request("CREATE TABLE counters (id INTEGER PRIMARY KEY, n); INSERT INTO counters VALUES (1, 0)"))
        service.close()

    def write(number: int) -> None:
        machine = Machine(world, chance, f"writer {number}")
        service = new_service(machine)
        service.reply(_request("SELECT n FROM counters"))  # a warm copy
        machine.counts_until = ends_at
        while (began := world.now) < ends_at:
            try:
                service.reply(_request("UPDATE counters SET n = n + 1"), REQUEST_SECONDS)
            except SldbError as error:
                result.failures[error.code] += 1
                continue
            if world.now <= ends_at:
                result.commits[number] += 1
                result.latencies.append(world.now - began)
        service.close()
        result.requests += machine.counted

    with _turns(WorldTurns(world)):
        prepared = world.spawn(prepare)
        world.run()
        prepared.result()
        ends_at = world.now + seconds
        tasks: list[Task] = [world.spawn(partial(write, number)) for number in range(writers)]
        world.run()
        for task in tasks:
            task.result()
    return result


@contextmanager
def _turns(turns: Turns) -> Iterator[None]:
    before, GENERATOR.turns = GENERATOR.turns, turns
    try:
        yield
    finally:
        GENERATOR.turns = before


def _settings(lock: str) -> Settings:
    return Settings(store="file:///unused", lock=lock, log_level="error", temp_dir=tempfile.gettempdir())


def _request(query: str) -> Request:
    return Request.decode({"query": query})
