"""A plan is carried out: clients send, containers serve, and the rest of the world does what it does.

The platform is Lambda's: a request goes to an idle container or to a new one, a container serves one request at a time,
keeps what it has between them, stands still while there is none, and is killed when its function's time is up. When all
is over and no fault happens any more, a last write must succeed to every database: nothing may be locked for good.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from lambda_handlers.deadlock_fix import free_locks
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.log import Log
from lambda_handlers.maintenance import Maintenance
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.wire import SldbError
from tests.simulation import knobs
from tests.simulation.bucket import Bucket, BucketStore
from tests.simulation.chance import Chance
from tests.simulation.container import Container
from tests.simulation.ec2 import Region, RegionClient
from tests.simulation.faults import Fault, Faults
from tests.simulation.history import History
from tests.simulation.ledger import Entry, Ledger
from tests.simulation.plan import Operation, Plan
from tests.simulation.world import START, Task, World

LOCK_MAX_AGE_SECONDS = 90.0
NEW_CONTAINER_RATE = 0.15
LAST_WRITE_SECONDS = 300.0
FIRST_RETRY_SECONDS = 0.5


class Delivery:
    """One time that an operation reached a container."""

    def __init__(self, operation: Operation, number: int, event: Any, begun_at: float) -> None:
        self.operation = operation
        self.number = number
        self.event = event
        self.begun_at = begun_at
        self.ended_at = float("inf")  # when somebody had the answer
        self.container: Container | None = None
        self.reply: dict[str, Any] | None = None  # None: nobody answered
        self.entries: list[Entry] = []  # transactions that it made
        self._calls = 0

    def next_call(self) -> str:
        self._calls += 1
        return f"{self.operation.number}.{self.number}.{self._calls}"

    def __str__(self) -> str:
        where = f"@{self.container}" if self.container else ""
        return f"#{self.operation.number}.{self.number}{where}"


@dataclass(slots=True)
class Seen:
    """What clients know of one database: at which time they had an answer from which transaction."""

    times: list[tuple[float, int]] = field(default_factory=list)  # ascending in both

    def note(self, time: float, txid: int) -> None:
        if txid > self.newest:
            self.times.append((time, txid))

    @property
    def newest(self) -> int:
        return self.times[-1][1] if self.times else 0

    def at(self, time: float) -> int:
        """What had been seen before a moment."""
        return max((txid for moment, txid in self.times if moment < time), default=0)


@dataclass(frozen=True, slots=True)
class Outcome:
    plan: Plan
    history: History
    ledger: Ledger
    bucket: Bucket
    deliveries: list[Delivery]
    seen: dict[str, Seen]
    faults: dict[str, Fault]

    @property
    def retention_seconds(self) -> float:
        return self.plan.retention_days * 86_400

    def counted_faults(self) -> Counter[str]:
        return Counter(fault.value for fault in self.faults.values())

    def counted(self) -> Counter[str]:
        """What was done, by kind."""
        requests = [one for one in self.deliveries if one.operation.kind in ("sql", "action")]
        logs = self.ledger.logs.values()
        return Counter(
            {
                "requests delivered": len(requests),
                "requests answered": sum(one.reply is not None and one.reply["statusCode"] == 200 for one in requests),
                "transactions": sum(log.newest for log in logs),
                "compacted files": sum(len(log.compacted) for log in logs),
                "LTX files deleted": sum(log.deleted for log in logs),
                "containers gone": sum(what == "is gone" for _, _, what in self.history.events),
                "locks freed by force": sum("whoever that is" in what for _, _, what in self.history.events),
            }
        )


def run(plan: Plan, left_out: Collection[str] = ()) -> Outcome:
    """`left_out`: names of calls that nothing happens to."""
    with knobs.set_to(plan.knobs), _silence() as said:
        simulation = Simulation(plan, left_out, said)
        simulation.run()
        return simulation.outcome()


class Simulation:
    def __init__(self, plan: Plan, left_out: Collection[str], said: _Said) -> None:
        self.plan = plan
        self.chance = Chance(plan.seed)
        self.world = World()
        self.history = History(lambda: self.world.now)
        self.faults = Faults(self.chance, left_out)
        self.ledger = Ledger(self.history, plan.retention_days * 86_400)
        self.bucket = Bucket(lambda: self.world.now, self.ledger)
        self.region = Region(lambda: self.world.now, self.chance, self.history)
        self.deliveries: list[Delivery] = []
        self.seen: dict[str, Seen] = {}
        self._containers: list[Container] = []
        self._sweepers: list[Container] = []
        self._made = 0
        said.history = self.history

    def outcome(self) -> Outcome:
        return Outcome(
            *(self.plan, self.history, self.ledger, self.bucket, self.deliveries, self.seen, self.faults.met)
        )

    def run(self) -> None:
        for operation in self.plan.operations:
            self.world.at(START + operation.at, lambda operation=operation: self._begin(operation))
        self.world.run()
        self.faults.is_over = True
        self.history.add("world", "all is over; no more faults")
        for number, database in enumerate(sorted(self.ledger.logs) or ["main"]):
            self._last_write(number, database)
        self.world.run()
        for container in [*self._containers, *self._sweepers]:
            if not container.is_dead:
                container.close()

    # Operations

    def _begin(self, operation: Operation) -> None:
        match operation.kind:
            case "sql" | "action":
                event = self._event(operation)
                self.world.spawn(lambda: self._client(operation, event, 0))
                for number, delay in enumerate(operation.copies, start=1):
                    self.world.spawn(lambda number=number: self._client(operation, event, 100 * number), delay=delay)
            case "sweep":
                self.world.spawn(lambda: self._sweep(operation))
            case "unlock":
                self.world.spawn(lambda: self._unlock(operation))
            case "kill":
                if container := self._some_container(operation):
                    container.die()
            case "freeze":
                if container := self._some_container(operation):
                    container.freeze(operation.patience)

    def _event(self, operation: Operation) -> dict[str, Any]:
        event: dict[str, Any] = {**operation.fields, "database": operation.database}
        seen = self.seen.get(operation.database, Seen()).newest
        if operation.kind == "action":
            arguments = dict(operation.fields)
            if operation.past:
                arguments["at"] = self._past(operation.past, seen)
            event = {"action": operation.action, "database": operation.database, "arguments": arguments}
        else:
            event["statements"] = [{"query": query, "params": list(params)} for query, params in operation.statements]
            if operation.past:
                event["at"] = self._past(operation.past, seen)
            if operation.if_seen:
                event["if_txid"] = seen
            if operation.has_id:
                event["request_id"] = f"request-{operation.number}"
        return event

    def _past(self, past: tuple[str, float], seen: int) -> int | str:
        kind, number = past
        if kind == "txid":
            return max(1, round(number * seen))
        moment = self.world.now - number - START
        return (datetime.fromtimestamp(START, timezone.utc) + timedelta(seconds=moment)).isoformat()

    def _client(self, operation: Operation, event: dict[str, Any], first: int) -> None:
        """Sends until there is an answer that is worth keeping. Without an id a write is never sent twice."""
        may_repeat = operation.has_id or operation.kind == "action"
        for number in range(first, first + 1 + (operation.retries if may_repeat else 0)):
            delivery = self._send(operation, number, event)
            if delivery.reply is not None and delivery.reply["statusCode"] < 500:
                return
            self.world.wait(
                FIRST_RETRY_SECONDS * 2 ** (number - first) * (0.5 + self.chance.number(f"{delivery} again"))
            )

    def _send(self, operation: Operation, number: int, event: dict[str, Any]) -> Delivery:
        delivery = Delivery(operation, number, event, self.world.now)
        self.deliveries.append(delivery)
        container = delivery.container = self._pick(delivery)
        self.history.add(delivery, f"begins {operation.what} {self._shown(event)}")
        served = self._serve(container, delivery, lambda: self._handle(container, delivery))
        client = self.world.current
        waiting = {"still": True}

        def give_up() -> None:
            if waiting["still"]:
                self.world.wake(client)

        self.world.at(self.world.now + operation.patience, give_up)
        served.tell(client)
        self.world.pause()
        waiting["still"] = False
        if not served.is_done:
            self.history.add(delivery, "the client waits no longer")
        return delivery

    @staticmethod
    def _shown(event: dict[str, Any]) -> str:
        return json.dumps({name: value for name, value in event.items() if name != "statements"})

    def _serve(self, container: Container, delivery: Delivery, work: Any) -> Task:
        """`work` in a task of the container, which is killed when the function's time is up."""
        container.busy_with = delivery

        def serve() -> None:
            try:
                work()
            finally:
                if container.busy_with is delivery:
                    container.busy_with = None

        task = self.world.spawn(serve, container, delivery)
        container.tasks = [one for one in container.tasks if not one.is_done]
        container.tasks.append(task)

        def time_is_up() -> None:
            if not task.is_done and not container.is_dead:
                self.history.add(delivery, "the function's time is up")
                container.die()

        self.world.at(self.world.now + delivery.operation.function_seconds, time_is_up)
        return task

    def _handle(self, container: Container, delivery: Delivery) -> None:
        event = delivery.event
        if delivery.operation.by_queue:
            body = json.dumps(event)
            message = {"eventSource": "aws:sqs", "messageId": f"request-{delivery.operation.number}", "body": body}
            answer = container.what_runs.handle({"Records": [message]}, _Context(self.world, delivery))
            reply = {"statusCode": 503 if answer["batchItemFailures"] else 204, "body": {}}
        else:
            reply = container.what_runs.handle(event, _Context(self.world, delivery))
        self._answered(delivery, json.loads(json.dumps(reply)))

    def _answered(self, delivery: Delivery, reply: dict[str, Any]) -> None:
        delivery.reply, delivery.ended_at = reply, self.world.now
        body = reply["body"]
        if reply["statusCode"] == 200:
            txid = body.get("txid")
            self.history.add(delivery, f"answers {txid}: {_rows(body)}")
            database = delivery.operation.database
            if isinstance(txid, int) and delivery.operation.past is None and not delivery.operation.action:
                self.seen.setdefault(database, Seen()).note(self.world.now, txid)
        else:
            error = body.get("error", {})
            self.history.add(delivery, f"fails: {error.get('code')} {error.get('message')}")

    # Containers

    def _pick(self, delivery: Delivery) -> Container:
        self._containers = [container for container in self._containers if not container.is_dead]
        idle = [container for container in self._containers if container.busy_with is None]
        wants_new, which = self.chance.numbers(f"container for {delivery.operation.number}.{delivery.number}", 2)
        has_room = len(self._containers) < self.plan.most_containers
        if idle and not (has_room and wants_new < NEW_CONTAINER_RATE):
            return idle[int(which * len(idle))]
        container = self._new_container("c")
        container.what_runs = self._service(container)
        self._containers.append(container)
        return container

    def _some_container(self, operation: Operation) -> Container | None:
        alive = [container for container in self._containers if not container.is_dead]
        return self.chance.choice(f"which for {operation.number}", alive) if alive else None

    def _new_container(self, kind: str) -> Container:
        self._made += 1
        return Container(f"{kind}{self._made}", self.world, self.chance, self.faults, self.history)

    def _settings(self) -> Settings:
        return Settings(
            "s3://bucket",
            lock=self.plan.lock,
            lock_max_age_seconds=LOCK_MAX_AGE_SECONDS,
            retention_days=self.plan.retention_days,
            cache_bytes=self.plan.cache_bytes,
            log_level="error",
            temp_dir=str(_scratch()),
        )

    def _service(self, container: Container) -> Service:
        store = BucketStore(self.bucket, container)
        return Service(self._settings(), container.host, store, self._lock(container, store))

    def _lock(self, container: Container, store: BucketStore) -> WriteLock:
        times = {"max_age_seconds": LOCK_MAX_AGE_SECONDS, "retry_seconds": 1.0}
        match self.plan.lock:
            case "none":
                return NoLock(container.host)
            case "s3":
                return ObjectLock(store, container.host, **times)
            case _:
                ec2 = RegionClient(self.region, container)
                return SecurityGroupLock(ec2, container.host, stack="test-db", vpc_id="vpc-1", **times)

    # The scheduled function, and the operator

    def _sweep(self, operation: Operation) -> None:
        delivery = Delivery(operation, 0, {}, self.world.now)
        self._sweepers = [container for container in self._sweepers if not container.is_dead]
        idle = [container for container in self._sweepers if container.busy_with is None]
        if idle and self.chance.number(f"sweeper for {operation.number}") > NEW_CONTAINER_RATE:
            container = idle[0]
        else:
            container = self._new_container("sweeper")
            container.what_runs = Sweeper(self, container)
            self._sweepers.append(container)
        delivery.container = container
        self._serve(container, delivery, lambda: container.what_runs.sweep(operation.function_seconds))

    def _unlock(self, operation: Operation) -> None:
        """`sldb unlock --force`, from somebody's machine."""
        delivery = Delivery(operation, 0, {}, self.world.now)
        container = delivery.container = self._new_container("operator")
        lock = self._lock(container, BucketStore(self.bucket, container))

        def unlock() -> None:
            try:
                for holder in lock.holders():
                    self.history.add(delivery, f"frees the lock of {holder.owner}, whoever that is")
                    lock.release(holder.lock_id, holder.database)
            except SldbError as error:
                self.history.add(delivery, f"fails: {error.message}")

        self._serve(container, delivery, unlock)

    def _last_write(self, number: int, database: str) -> None:
        operation = Operation(
            *(10_000 + number, 0.0, "sql", "last write", database),
            statements=(("CREATE TABLE IF NOT EXISTS last (id)", ()), ("INSERT INTO last VALUES (1)", ())),
            patience=LAST_WRITE_SECONDS,
            function_seconds=LAST_WRITE_SECONDS,
        )

        def write() -> None:
            begun_at = self.world.now
            delivery = self._send(operation, 0, self._event(operation))
            took = self.world.now - begun_at
            if delivery.reply is None or delivery.reply["statusCode"] != 200:
                self.history.violate("recovery", f"the last write to {database} fails: {delivery.reply}")
            elif took > LOCK_MAX_AGE_SECONDS + RECOVERY_SLACK_SECONDS:
                self.history.violate("recovery", f"the last write to {database} took {took:.1f} s")

        self.world.spawn(write)


# The clocks of the lock's holder and of who waits for it may differ; EC2 may show a lock late.
RECOVERY_SLACK_SECONDS = 2.0 + 2 * 25.0 + 20.0


class Sweeper:
    """What a container of the scheduled function keeps: as deadlock_fix does it."""

    def __init__(self, simulation: Simulation, container: Container) -> None:
        store = BucketStore(simulation.bucket, container)
        self._host = container.host
        self._log = Log("error", now=container.host.now)
        self._lock = simulation._lock(container, store)
        self._maintenance = Maintenance(store, container.host, self._log, simulation.plan.retention_days)

    def sweep(self, seconds: float) -> None:
        deadline = self._host.now() + seconds - 3.0
        free_locks(self._lock, self._host, self._log, deadline)
        self._maintenance.run(deadline)

    def close(self) -> None:
        """It holds nothing."""


class _Context:
    """Lambda's."""

    def __init__(self, world: World, delivery: Delivery) -> None:
        self.aws_request_id = str(delivery)
        self._world = world
        self._ends_at = world.now + delivery.operation.function_seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0.0, self._ends_at - self._world.now) * 1000)


class _Said:
    """Standard error while a history runs: tracebacks of bugs go into the history."""

    def __init__(self) -> None:
        self.history: History | None = None

    def write(self, text: str) -> None:
        for line in text.splitlines():
            if self.history is not None and '"traceback"' in line:
                self.history.add("log", json.loads(line)["traceback"].strip().replace("\n", "\n" + " " * 29))

    def flush(self) -> None:
        """Nothing is kept back."""


@contextmanager
def _silence() -> Iterator[_Said]:
    said, before = _Said(), sys.stderr
    sys.stderr = said  # type: ignore[assignment]  # what is used of a stream
    try:
        yield said
    finally:
        sys.stderr = before


def _scratch() -> Path:
    return Path(tempfile.gettempdir()) / "sldb-simulation"


def _rows(body: dict[str, Any]) -> str:
    text = json.dumps([result["rows"] for result in body.get("results", [])]) if "results" in body else json.dumps(body)
    return text if len(text) <= 160 else text[:157] + "..."
