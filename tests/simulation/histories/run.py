"""A plan is carried out: clients send and send again, containers serve, and the rest of the world does what it does.

When all is over and no fault happens any more, a last write must succeed to every database: nothing may be locked for
good.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

from lambda_handlers.sql.chance import GENERATOR, Turns
from lambda_handlers.storage.log.keys import head_key
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.replica import Replica
from lambda_handlers.wire import SldbError
from tests.simulation.checking.ledger import LOCK_MAX_AGE_SECONDS, MOST_SKEW_SECONDS, Ledger
from tests.simulation.histories.history import History
from tests.simulation.histories.outcome import SECOND_DELIVERY, Delivery, Outcome, Reading, Seen
from tests.simulation.histories.plan import Operation, Plan
from tests.simulation.histories.shown import Known, learn, params_of
from tests.simulation.histories.transactions import Turn
from tests.simulation.world import knobs
from tests.simulation.world.bucket import Bucket
from tests.simulation.world.chance import Chance
from tests.simulation.world.container import Container
from tests.simulation.world.faults import Faults
from tests.simulation.world.platform import Context, Platform
from tests.simulation.world.scheduler import START, World, WorldTurns

LAST_WRITE_SECONDS = 300.0
FIRST_OF_LAST, LAST_SWEEP = 10_000, 20_000  # numbers of operations
PAST_READ_AT_END = 2  # transactions of each database
FIRST_RETRY_SECONDS = 0.5
TRIES_OF_A_TURN = 5  # at most; the numbers of a turn's deliveries begin with its place times this
UNLOCK_TRIES, UNLOCK_PAUSE_SECONDS = 8, 0.1
DONE = 204  # of a message that needs not come again
SHARE_GONE, SHARE_OLD = 0.2, 0.9  # of spoiled heads; the rest is damaged
# The clocks of the lock's holder and of who waits for it may differ; EC2 may show a lock late.
RECOVERY_SLACK_SECONDS = 2.0 + 2 * MOST_SKEW_SECONDS + 20.0


def run(plan: Plan, left_out: Collection[str] = ()) -> Outcome:
    """`left_out`: names of calls that nothing happens to."""
    with knobs.set_to(plan.knobs), _silence() as said:
        simulation = Simulation(plan, left_out, said)
        with _turns(WorldTurns(simulation.world)):
            simulation.run()
        return simulation.outcome()


class Simulation:
    def __init__(self, plan: Plan, left_out: Collection[str], said: _Said) -> None:
        self.plan = plan
        self.chance = Chance(plan.seed)
        self.world = World()
        self.history = History(lambda: self.world.now)
        self.faults = Faults(self.chance, left_out)
        self.ledger = Ledger(self.history, plan.retention_days * 86_400, plan.are_patient)
        self.bucket = Bucket(lambda: self.world.now, self.ledger)
        self.platform = Platform(plan, self.world, self.chance, self.faults, self.history, self.bucket)
        self.deliveries: list[Delivery] = []
        self.seen: dict[str, Seen] = {}
        self.readings: list[Reading] = []
        said.history = self.history

    def outcome(self) -> Outcome:
        return Outcome(
            *(
                self.plan,
                self.history,
                self.ledger,
                self.bucket,
                self.deliveries,
                self.seen,
                self.faults.met,
                self.readings,
            )
        )

    def run(self) -> None:
        for operation in self.plan.operations:
            self.world.at(START + operation.at, lambda operation=operation: self._begin(operation))
        self.world.run()
        self.faults.is_over = True
        self.platform.thaw()
        self.history.add("world", "all is over; no more faults")
        databases = sorted(name for name, log in self.ledger.logs.items() if log.newest) or ["main"]
        for number, database in enumerate(databases):
            self._last_write(number, database)
        self.world.run()
        self._sweep(Operation(LAST_SWEEP, 0.0, "sweep"))
        self.world.run()
        for number, database in enumerate(databases):
            self._read_back(LAST_SWEEP + 1 + number, database)
        self.world.run()
        self.platform.close()

    # Operations

    def _begin(self, operation: Operation) -> None:
        match operation.kind:
            case "sql" | "action":
                event = self._event(operation)
                self.world.spawn(lambda: self._client(operation, event, 0))
                for number, delay in enumerate(operation.copies, start=1):
                    self.world.spawn(
                        lambda number=number: self._client(operation, event, SECOND_DELIVERY * number), delay=delay
                    )
            case "transaction":
                self.world.spawn(lambda: Client(self, operation).run())
            case "sweep":
                self.world.spawn(lambda: self._sweep(operation))
            case "unlock":
                self.world.spawn(lambda: self._unlock(operation))
            case "spoil":
                self._spoil_head(operation)
            case "kill":
                if container := self.platform.some(f"which for {operation.number}"):
                    container.die()
            case "freeze":
                if container := self.platform.some(f"which for {operation.number}"):
                    container.freeze(operation.patience)

    def _spoil_head(self, operation: Operation) -> None:
        """It is a hint: it may be stale, damaged or gone."""
        database, number = operation.database, self.chance.number(f"head for {operation.number}")
        key, heads = head_key(database), self.ledger.log(database).heads
        by = Delivery(operation, 0, {}, self.world.now)
        if not heads:
            return
        if number < SHARE_GONE:
            self.bucket.delete(key, by)
        else:
            older = heads[int((number - SHARE_GONE) / (1 - SHARE_GONE) * len(heads))]
            self.bucket.put(key, older if number < SHARE_OLD else older[:-9], by)

    def _event(self, operation: Operation) -> dict[str, Any]:
        event: dict[str, Any] = {**operation.fields, "database": operation.database}
        seen = self.seen.get(operation.database, Seen()).newest
        if operation.kind == "action":
            arguments = {name: value for name, value in operation.fields.items() if name != "timeout"}
            if operation.past:
                arguments["at"] = self._past(operation.past, seen)
            if operation.if_seen:
                arguments["if_txid"] = seen
            event = {"action": operation.action, "database": operation.database, "arguments": arguments}
            if "timeout" in operation.fields:
                event["timeout"] = operation.fields["timeout"]
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
        return (datetime.fromtimestamp(START, timezone.utc) + timedelta(seconds=moment)).isoformat(
            timespec="milliseconds"
        )

    def _client(self, operation: Operation, event: dict[str, Any], first: int) -> None:
        """Sends until there is an answer that is worth keeping. Without an id a write is never sent twice."""
        may_repeat = operation.has_id or operation.kind == "action"
        for number in range(first, first + 1 + (operation.retries if may_repeat else 0)):
            delivery = self.send(operation, number, event)
            if delivery.reply is not None and delivery.reply["statusCode"] < 500:
                return
            self.world.wait(
                FIRST_RETRY_SECONDS * 2 ** (number - first) * (0.5 + self.chance.number(f"{delivery} again"))
            )

    def send(self, operation: Operation, number: int, event: dict[str, Any], known: Known | None = None) -> Delivery:
        delivery = Delivery(operation, number, event, self.world.now)
        delivery.known = known
        self.deliveries.append(delivery)
        container = delivery.container = self.platform.for_request(delivery)
        self.history.add(delivery, f"begins {operation.what} {self._shown(event)}")
        served = self.platform.serve(container, delivery, lambda: self._handle(container, delivery))
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
        shown = {name: value for name, value in event.items() if name != "statements"}
        if "token" in event.get("transaction", {}):
            token = sha256(event["transaction"]["token"].encode()).hexdigest()[:8]
            shown["transaction"] = {**event["transaction"], "token": token}
        return json.dumps(shown)

    def _handle(self, container: Container, delivery: Delivery) -> None:
        event = delivery.event
        if delivery.operation.by_queue:
            body = json.dumps(event)
            message = {"eventSource": "aws:sqs", "messageId": f"request-{delivery.operation.number}", "body": body}
            answer = container.what_runs.handle({"Records": [message]}, Context(self.world, delivery))
            reply = {"statusCode": 503 if answer["batchItemFailures"] else DONE, "body": {}}
        else:
            reply = container.what_runs.handle(event, Context(self.world, delivery))
        self._answered(delivery, json.loads(json.dumps(reply)))

    def _answered(self, delivery: Delivery, reply: dict[str, Any]) -> None:
        delivery.reply, delivery.ended_at = reply, self.world.now
        body = reply["body"]
        if reply["statusCode"] == 200:
            self.history.add(delivery, f"answers {body.get('txid')}: {_rows(body)}")
            for database, txid in _newest_of(delivery.operation, body):
                self.seen.setdefault(database, Seen()).note(self.world.now, txid)
        elif delivery.operation.by_queue:
            self.history.add(delivery, "is done" if reply["statusCode"] == DONE else "goes back to the queue")
        else:
            error = body.get("error", {})
            self.history.add(delivery, f"fails: {error.get('code')} {error.get('message')}")

    # The scheduled function, and the operator

    def _sweep(self, operation: Operation) -> None:
        delivery = Delivery(operation, 0, {}, self.world.now)
        container = self.platform.for_sweep(delivery)
        self.platform.serve(container, delivery, lambda: container.what_runs.sweep(operation.function_seconds))

    def _unlock(self, operation: Operation) -> None:
        """`sldb unlock --yes`, from somebody's machine, for a while or until it finds a lock."""
        delivery = Delivery(operation, 0, {}, self.world.now)
        container, lock = self.platform.for_operator()

        def unlock() -> None:
            for _ in range(UNLOCK_TRIES):
                try:
                    holders = lock.holders()
                    for holder in holders:
                        self.history.add(delivery, f"frees the lock of {holder.owner}, whoever that is")
                        lock.release(holder.lock_id, holder.database)
                except SldbError as error:
                    self.history.add(delivery, f"fails: {error.message}")
                    return
                if holders:
                    return
                container.host.sleep(UNLOCK_PAUSE_SECONDS)

        self.platform.serve(container, delivery, unlock)

    def _last_write(self, number: int, database: str) -> None:
        operation = Operation(
            FIRST_OF_LAST + number,
            0.0,
            "sql",
            "last write",
            database,
            statements=(("CREATE TABLE IF NOT EXISTS last (id)", ()), ("INSERT INTO last VALUES (1)", ())),
            patience=LAST_WRITE_SECONDS,
            function_seconds=LAST_WRITE_SECONDS,
        )

        def write() -> None:
            begun_at = self.world.now
            delivery = self.send(operation, 0, self._event(operation))
            took = self.world.now - begun_at
            if delivery.reply is None or delivery.reply["statusCode"] != 200:
                self.history.violate("recovery", f"the last write to {database} fails: {delivery.reply}")
            elif took > LOCK_MAX_AGE_SECONDS + RECOVERY_SLACK_SECONDS:
                self.history.violate("recovery", f"the last write to {database} took {took:.1f} s")

        self.world.spawn(write)

    def _read_back(self, number: int, database: str) -> None:
        """Page by page, in a container that knows nothing; also as it was at some transactions that can be read."""
        delivery = Delivery(Operation(number, 0.0, "read back", database=database), 0, {}, self.world.now)
        container, open_replica = self.platform.for_reader(database)
        log = self.ledger.log(database)
        promised = range(log.promised_from(self.world.now, self.plan.retention_days * 86_400), log.newest + 1)
        count = PAST_READ_AT_END if promised else 0
        moments = [None, *(self.chance.choice(f"{number} reads {one}", promised) for one in range(count))]

        def read() -> None:
            for at in moments:
                replica = open_replica()
                try:
                    replica.refresh() if at is None else replica.open_at(at)
                    self.readings.append(Reading(database, at, replica.txid, _file(replica)))
                except SldbError as error:
                    self.readings.append(Reading(database, at, problem=f"{error.code} {error.message}"))
                finally:
                    replica.close()

        self.platform.serve(container, delivery, read)


class Client:
    """The client of one transaction."""

    def __init__(self, simulation: Simulation, operation: Operation) -> None:
        self._simulation = simulation
        self._operation = operation
        self._known: list[Known] = []  # one for each token, the newest last
        self._served_by: Container | None = None

    def run(self) -> None:
        for place, turn in enumerate(self._operation.turns):
            self._simulation.world.wait(turn.pause)
            if place and not self._known:
                return  # it could not be begun
            if turn.kills and self._served_by:
                self._served_by.die()
            self._take(place, turn)

    def _take(self, place: int, turn: Turn) -> None:
        known = self._known[-1 - min(turn.of, len(self._known) - 1)] if self._known else None
        event, world = self._event(turn, known), self._simulation.world
        first = place * TRIES_OF_A_TURN
        for number, delay in enumerate(turn.copies, start=1):
            again = SECOND_DELIVERY * number + first
            world.spawn(lambda again=again: self._simulation.send(self._operation, again, event, known), delay=delay)
        for number in range(first, first + 1 + self._operation.retries):
            delivery = self._simulation.send(self._operation, number, event, known)
            self._served_by = delivery.container
            if delivery.reply is not None and delivery.reply["statusCode"] < 500:
                if learned := learn(known, event, delivery.reply["body"]):
                    self._known.append(learned)
                return
            world.wait(FIRST_RETRY_SECONDS * 2 ** (number - first))

    def _event(self, turn: Turn, known: Known | None) -> dict[str, Any]:
        wanted: dict[str, Any] = {"token": known.token} if known else {"begin": True}
        if turn.end and known:
            wanted["end"] = turn.end
        if turn.lastrowid:
            wanted["lastrowid"] = True
        event: dict[str, Any] = {"database": self._operation.database, "transaction": wanted}
        if turn.statements:
            event["statements"] = [{"query": one[0], "params": params_of(one, known)} for one in turn.statements]
            event["on_error"] = turn.on_error
        return event


def _newest_of(operation: Operation, body: dict[str, Any]) -> list[tuple[str, int]]:
    """What a reply tells of the newest transactions of databases."""
    match operation.action:
        case "branch":
            return [(body["as"], body["txid"])]
        case "rename_database":
            return [(body["to"], body["txid"]), (operation.database, body["dropped_by"])]
        case "" if operation.past is not None:
            return []
        case _:
            return [(operation.database, body["txid"])]


def _file(replica: Replica) -> bytes:
    """All pages of a database, but that of SQLite's lock byte."""
    return b"".join(replica.read(Pgno(pgno)) for pgno in range(1, replica.page_count + 1))


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
def _turns(turns: Turns) -> Iterator[None]:
    before = GENERATOR.turns
    GENERATOR.turns = turns
    try:
        yield
    finally:
        GENERATOR.turns = before


@contextmanager
def _silence() -> Iterator[_Said]:
    said, before = _Said(), sys.stderr
    sys.stderr = said  # type: ignore[assignment]  # what is used of a stream
    try:
        yield said
    finally:
        sys.stderr = before


def _rows(body: dict[str, Any]) -> str:
    rows = [body["rows"] if "rows_at_top" in result else result["rows"] for result in body.get("results", ())]
    text = json.dumps(rows if "results" in body else body)
    return text if len(text) <= 160 else text[:157] + "..."
