"""Histories of a queue: batches that come again, partial failures, duplicates, containers killed in the middle.

A history is made from its seed: producers, a queue (`tests.fakes.sqs`), up to three containers over one store, and
faults at commits. The promises, checked at its end:

- A message that can be applied is applied once, as a whole, unless it is in the dead letters; then at most once
  (`once`). One that cannot leaves nothing (`nothing left`).
- In a FIFO group the messages are committed in their order, across databases, too (`order`).
- If no container was killed, the dead letters are exactly the messages that cannot be applied (`dead letters`).
- `result` finds each that is applied (`result`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import parse_ltx_key
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.sqs import Held, Killed, Queue, failed_of
from tests.fakes.stores.faulty import FaultyStore, lose_answer
from tests.fakes.stores.memory import memory_store

DATABASES = ("main", "other")
TRIES, MAX_KILLS = 4, 2
START = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as its producer means it."""

    number: int
    database: str
    group: str | None
    request_id: str
    rows: int  # 0: it cannot be applied
    waits: bool  # it cannot be applied before the gate is open


@dataclass(slots=True)
class History:
    sent: list[Sent] = field(default_factory=list)  # those sent twice once
    violations: list[str] = field(default_factory=list)
    commits: list[tuple[str, int]] = field(default_factory=list)  # database and txid, in their order
    kills: int = 0


def history_of(seed: int) -> History:
    """Return the history of a seed, checked."""
    simulation = Simulation(seed)
    try:
        simulation.run()
    finally:
        simulation.close()
    return simulation.history


def statements(kind: str, number: int) -> tuple[str, int]:
    """Return the SQL of a message, and the rows that it makes."""
    insert = f"INSERT INTO log (message) VALUES ({number})"
    return {
        "one": (insert, 1),
        "two": (f"{insert}; {insert}", 2),
        "group": (f"BEGIN; {insert}; COMMIT; {insert}", 2),
        "waits": (f"INSERT INTO log (message) SELECT CASE WHEN (SELECT count(*) FROM gate) THEN {number} END", 1),
        "temporary": (f"CREATE TEMP TABLE x (a); PRAGMA foreign_keys = OFF; {insert}", 1),
        "bad": ("INSERT INTO missing VALUES (1)", 0),
        "bad behind a row": (f"{insert}; INSERT INTO log VALUES (1, NULL)", 0),
        "bad behind a commit": (f"BEGIN; {insert}; COMMIT; INSERT INTO missing VALUES (1)", 0),
        "rolls back": (f"{insert}; INSERT OR ROLLBACK INTO log VALUES (1, NULL)", 0),
    }[kind]


KINDS = ("one",) * 8 + (
    "waits",
    "waits",
    "two",
    "group",
    "temporary",
    "bad",
    "bad behind a row",
    "bad behind a commit",
    "rolls back",
)


class Simulation:
    def __init__(self, seed: int) -> None:
        self.chance = Random(f"queue {seed}")
        self.clock = Clock(START, seed)
        self.history = History()
        self.is_fifo = self.chance.random() < 0.6
        self.is_mixed = self.chance.random() < 0.5
        self.may_kill = self.chance.random() < 0.5
        self.store = FaultyStore(memory_store())
        self.queue = Queue(TRIES, self.chance, self.clock.now)
        self.services: list[Service] = []
        self.deleted: list[Held] = []
        self._is_nested = False

    def close(self) -> None:
        for service in self.services:
            with suppress(Killed):
                service.close()

    def run(self) -> None:
        for database in DATABASES:
            schema = "CREATE TABLE log (n INTEGER PRIMARY KEY, message NOT NULL); CREATE TABLE gate (a)"
            run(self._service(), schema, database=database)
        for number in range(self.chance.randint(5, 25)):
            self._send(number)
        opens_at = self.chance.randint(0, 8)
        for number in range(400):
            if not self.queue.waiting:
                break
            if number == opens_at:
                self._open_gate()
            self._plan_fault()
            self._deliver()
            self.clock.time += self.chance.choice((0.1, 1.0, 60.0))
            if self.chance.random() < 0.1:
                self._deliver_again()
        self.store.forget_plans()
        if self.queue.waiting:
            self.history.violations.append("end: messages never leave the queue")
        if self.chance.random() < 0.4:  # days later, when the hour of the log of requests is over
            self.clock.time += 86_400.0
            run(self._service(), "INSERT INTO log (message) VALUES (-1)", request_id="moves the log of main")
            run(
                self._service(), "INSERT INTO log (message) VALUES (-1)", request_id="moves the other", database="other"
            )
            self._deliver_again()
        self._check()

    # The world

    def _send(self, number: int) -> None:
        chance = self.chance
        query, rows = statements(kind := chance.choice(KINDS), number)
        database = chance.choice(DATABASES)
        group = None if not self.is_fifo else "mixed" if self.is_mixed else database
        body: dict[str, Any] = {"query": query, "database": database}
        if chance.random() < 0.15:
            body["careful"] = True
        has_own_id = chance.random() < 0.5
        if has_own_id:
            body["request_id"] = f"request-{number}"
        id_ = self.queue.send(body, group)
        self.history.sent.append(Sent(number, database, group, body.get("request_id", id_), rows, kind == "waits"))
        if has_own_id and chance.random() < 0.3:  # its producer has not seen the answer
            self.queue.send(body, group)

    def _service(self) -> Service:
        if len(self.services) < 3:
            self.services.append(container(self.store, host=self.clock.host(), queue_tries=TRIES))
        return self.chance.choice(self.services)

    def _handle(self, service: Service) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def handle(event: dict[str, Any]) -> dict[str, Any]:
            try:
                return service.handle(event)
            except Killed:
                self.history.kills += 1
                self.services.remove(service)
                raise

        return handle

    def _deliver(self) -> None:
        most = self.chance.choice((1, 3, 10))
        before = list(self.queue.waiting)
        self.queue.deliver(self._handle(self._service()), most)
        gone = [held for held in before if held not in self.queue.waiting and held not in self.queue.dead]
        self.deleted.extend(gone)

    def _deliver_again(self) -> None:
        """Deliver messages that were deleted: SQS does so, if rarely. In a FIFO queue a producer's second message."""
        if self.deleted:
            records = [held.record() for held in self.chance.sample(self.deleted, min(3, len(self.deleted)))]
            failed_of(self._handle(self._service()), records)

    def _open_gate(self) -> None:
        self.store.forget_plans()
        for database in DATABASES:
            run(self._service(), "INSERT INTO gate VALUES (1)", database=database)

    def _plan_fault(self) -> None:
        self.store.forget_plans()
        number = self.chance.random()
        if number < 0.1 and self.may_kill and self.history.kills < MAX_KILLS:
            self.store.plan("create", self.chance.choice((_die, _die_afterwards)))
        elif number < 0.2:
            self.store.plan("create", lose_answer)
        elif number < 0.45:
            self.store.plan("create", self._lose_race)

    def _lose_race(self, key: str, create: Callable[[], Any]) -> Any:
        """Let another container be first: with another batch of the queue."""
        if not self._is_nested:
            self._is_nested = True
            other = container(self.store, host=self.clock.host(), queue_tries=TRIES)
            self.queue.deliver(other.handle, 3)
            other.close()
            self._is_nested = False
        return create()

    # The promises

    def _check(self) -> None:
        reader = container(self.store, host=self.clock.host())
        self.services.append(reader)
        dead = {name for held in self.queue.dead for name in (held.id, _request_id(held))}
        self._number_commits()
        rows = {
            database: [row[0] for row in run(reader, "SELECT message FROM log ORDER BY n", database=database).rows]
            for database in DATABASES
        }
        for sent in self.history.sent:
            count = Counter(rows[sent.database])[sent.number]
            if count != sent.rows and not (count == 0 and sent.request_id in dead):
                self._violate("once" if sent.rows else "nothing left", f"{sent} has {count} rows")
            if sent.rows and not sent.waits and sent.request_id in dead and not self.history.kills:
                self._violate("dead letters", f"{sent} is among them")
        self._check_results(reader, dead)

    def _check_results(self, reader: Service, dead: set[str]) -> None:
        last: dict[str, int] = {}
        for sent in self.history.sent:
            if not sent.rows or sent.request_id in dead:
                continue
            found = act(reader, "result", sent.database, request_id=sent.request_id)
            if found["state"] != "applied":
                self._violate("result", f"{sent} is {found['state']}")
                continue
            place = self.history.commits.index((sent.database, found["txid"]))
            if sent.group is not None and place < last.get(sent.group, 0):
                self._violate("order", f"{sent} was committed before an earlier one of its group")
            last[sent.group or ""] = place

    def _number_commits(self) -> None:
        names = [(database, parse_ltx_key(database, key)) for key in self.store.written for database in DATABASES]
        self.history.commits = [(database, name.max_txid) for database, name in names if name and not name.level]

    def _violate(self, promise: str, details: str) -> None:
        self.history.violations.append(f"{promise}: {details}")


def _request_id(held: Held) -> str:
    return str(json.loads(held.body).get("request_id", ""))


def _die(key: str, create: Callable[[], Any]) -> Any:
    raise Killed


def _die_afterwards(key: str, create: Callable[[], Any]) -> Any:
    create()
    raise Killed
