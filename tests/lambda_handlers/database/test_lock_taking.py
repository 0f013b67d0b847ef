"""The lock of a request: taken while its statements run, and given back whatever ends the request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from lambda_handlers.database.write_access import COMMIT_ATTEMPTS
from lambda_handlers.host import Host, InThread
from lambda_handlers.service import Service
from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.immediate_call import ImmediateCall
from tests.fakes.stores.faulty import FaultyStore, lose_request, meanwhile, refuse
from tests.fakes.stores.memory import memory_store

INSERT = "INSERT INTO t VALUES (3, 3)"


class LateCall(ImmediateCall):
    """A call that runs as late as it may: when its result is asked for."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function: Callable[[], Any] | None = function

    def wait(self, seconds: float) -> bool:
        return self._function is None

    def result(self) -> Any:
        if self._function is not None:
            function, self._function = self._function, None
            super().__init__(function)
        return super().result()


class CountingLock:
    """A lock that counts, with pauses before it is taken, or an error in its stead."""

    freed_stale = 0

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.held: set[str] = set()
        self.taken = 0
        self.doing = ""
        self.error: Exception | None = None
        self.pauses: list[Callable[[], object]] = []

    def acquire(self, database: str, deadline: float, doing: str, sleep: Any = None) -> Holder:
        self.doing = doing
        while self.pauses:
            self.pauses.pop(0)()
            sleep(0.1)
        if self.error:
            raise self.error
        self.taken += 1
        self.events.append("taken")
        holder = Holder(f"lock-{self.taken}", database, "me", 0.0, doing)
        self.held.add(holder.lock_id)
        return holder

    def release(self, lock_id: str, database: str) -> bool:
        self.events.append("released")
        self.held.remove(lock_id)
        return True


class World:
    def __init__(self, start: Any) -> None:
        self.clock, self.events = Clock(), []
        self.host = replace(self.clock.host(), start=start)
        self.store = FaultyStore(memory_store())
        self.lock = CountingLock(self.events)
        self.other = new_container(self.store.store, host=self.clock.host())
        run(self.other, "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 0), (2, 0)")
        self.service = self.container()
        run(self.service, "UPDATE t SET b = 1")
        self.forget()

    def container(self) -> Service:
        return new_container(self.store, self.lock, self.host)

    def forget(self) -> None:
        """Count from here on."""
        self.events.clear()
        self.store.verbs()
        self.lock.taken = 0
        self.lock.doing = ""


@pytest.fixture(params=[ImmediateCall, LateCall])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(request.param)
    yield world
    assert world.lock.held == set()
    assert world.events.count("taken") == world.events.count("released")
    world.service.close()
    world.other.close()


def error_of(world: World, query: str, **fields: Any) -> SldbError:
    with pytest.raises(SldbError) as caught:
        run(world.service, query, **fields)
    return caught.value


# A commit


def test_a_commit_has_the_lock(world):
    world.store.plan("create", meanwhile(lambda: world.events.append("created")))
    run(world.service, INSERT)
    assert world.events == ["taken", "created", "released"]
    assert world.lock.doing == "INSERT t"


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("query", [INSERT, "INSERT INTO t VALUES (1, 0)"])
def test_the_reply_to_a_last_request_does_not_wait_for_the_release(world, query, is_last):
    world.service.after_reply.put_off(has_thread=False)
    with suppress(SldbError):
        run(world.service, query, last=is_last)
    assert world.events == (["taken"] if is_last else ["taken", "released"])
    run(world.service, "SELECT 1")  # waits for it
    assert world.events == ["taken", "released"]


def test_the_statements_do_not_wait_for_the_lock():
    world = World(LateCall)
    database = world.service._databases["main"]
    world.lock.pauses.append(lambda: world.events.append(f"ran {database.in_flight.stats['execute_ms'] >= 0.0}"))
    run(world.service, INSERT)
    assert world.events[0] == "ran True"
    assert world.lock.held == set()


def test_a_cold_copy_is_opened_while_the_lock_is_taken():
    """The lock is there only after a request to the store, and the commit only after the lock."""
    world, asked = World(ImmediateCall), threading.Event()
    world.host = replace(Host(), start=InThread)
    cold = world.container()
    for verb in ("get", "get_range", "list_objects", "get_with_tag"):
        world.store.plan(verb, meanwhile(asked.set))
    world.lock.pauses.append(lambda: asked.wait(20) or pytest.fail("nothing was asked while the lock was taken"))
    assert run(cold, INSERT).txid == 3
    assert world.lock.held == set()
    cold.close()


def test_who_waited_for_the_lock_runs_again_on_what_the_holder_left(world):
    world.lock.pauses.append(lambda: run(world.other, "UPDATE t SET b = 50"))
    reply = run(world.service, "UPDATE t SET b = b + 1 RETURNING b")
    assert (reply.txid, reply.rows, reply.stats.get("conflicts", 0)) == (4, [(51,), (51,)], 0)
    assert world.store.verbs().count("create") == 1


def test_the_statements_run_again_while_a_lock_that_is_free_is_taken():
    """The lock waits for the second run, and would wait for ever if that waited for the lock."""
    world, ran_again = World(ImmediateCall), threading.Event()
    world.host = replace(Host(), start=InThread)
    service = world.container()
    run(service, "SELECT 1")
    world.forget()
    real, tries = world.lock.acquire, []

    def acquire(database: str, deadline: float, doing: str, place: Any) -> Holder:
        tries.append(place)
        if len(tries) == 1:
            run(world.other, "UPDATE t SET b = 50")
            place(0.0)
            place.tell_free()
        assert ran_again.wait(20), "nothing ran while the lock was taken"
        return real(database, deadline, doing, place)

    world.lock.acquire = acquire  # type: ignore[method-assign]
    world.store.plan("get_range", meanwhile(ran_again.set))
    assert run(service, "UPDATE t SET b = b + 1 RETURNING b").rows == [(51,), (51,)]
    assert tries[0] is tries[1], "it has lost its place in the line"
    assert world.events == ["taken", "released"]
    service.close()


def test_a_request_that_fails_before_it_knows_of_a_free_lock_leaves_it(world, capsys):
    def acquire(database: str, deadline: float, doing: str, place: Any) -> Holder:
        place(0.0)
        place.tell_free()
        raise AssertionError

    world.lock.acquire = acquire
    assert error_of(world, "INSERT INTO t VALUES (1, 1)").code == "constraint"
    assert "Traceback" not in capsys.readouterr().err


def test_waits_are_no_lost_races(world):
    """A writer may find the lock free, and taken by another one, more often than it may lose a race."""
    real, tries = world.lock.acquire, []

    def acquire(database: str, deadline: float, doing: str, place: Any) -> Holder:
        tries.append(place)
        if len(tries) <= 2 * COMMIT_ATTEMPTS:
            place(0.0)
            place.tell_free()
        return real(database, deadline, doing, place)

    world.lock.acquire = acquire
    assert run(world.service, INSERT).txid == 3


def test_a_lost_race_under_the_lock_takes_it_once(world):
    run(world.other, "UPDATE t SET b = 50")
    assert run(world.service, "UPDATE t SET b = b + 1 RETURNING b").rows == [(51,), (51,)]
    assert world.lock.taken == 1


def test_vacuum_has_the_lock_before_it_commits_by_itself(world):
    world.store.plan("create", meanwhile(lambda: world.events.append("created")))
    run(world.service, "VACUUM")
    assert world.events == ["taken", "created", "released"]


def test_a_group_in_a_request_that_begins_with_a_read_has_the_lock(world):
    world.store.plan("create", meanwhile(lambda: world.events.append("created")))
    run(world.service, "SELECT 1; BEGIN; INSERT INTO t VALUES (3, 3); COMMIT")
    assert world.events == ["taken", "created", "released"]


def test_a_bug_of_a_lock_that_nobody_waits_for_goes_to_the_log(world, capsys):
    world.lock.error = KeyError("secret")
    assert error_of(world, "INSERT INTO t VALUES (1, 0)").code == "constraint"
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["database"]) == ("lock_not_taken", "error", "main")
    assert line["traceback"].endswith("KeyError")


# What takes none


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("SELECT * FROM t", {}),
        ("BEGIN; SELECT * FROM t; COMMIT", {}),
        ("INSERT INTO missing VALUES (1)", {}),
        (INSERT, {"dry_run": True}),
        (INSERT, {"read_only": True}),
    ],
)
def test_what_cannot_write_takes_no_lock(world, query, fields):
    try:
        run(world.service, query, **fields)
    except SldbError as error:
        assert error.code in ("sql_error", "read_only")  # noqa: PT017 - either way it takes none
    assert world.events == []


def test_a_cold_container_takes_none_for_a_group_or_a_database_that_it_must_not_create(world):
    cold = world.container()
    run(cold, "BEGIN; SELECT * FROM t; COMMIT")
    with pytest.raises(SldbError):
        run(cold, INSERT, database="missing", create=False)
    assert world.events == []
    cold.close()


# Every end gives it back


@pytest.mark.parametrize(
    ("query", "fields", "code"),
    [
        ("INSERT INTO t VALUES (1, 1)", {}, "constraint"),
        ("INSERT INTO t VALUES (3, 3); SELECT nope", {}, "sql_error"),
        ("DELETE FROM t", {"careful": True}, "unconfirmed"),
        (INSERT, {"if_txid": 1}, "conflict"),
        (INSERT, {"timeout": 0.0}, "query_timeout"),
    ],
)
def test_an_error_of_a_request_gives_it_back(world, query, fields, code):
    assert error_of(world, query, **fields).code == code


def test_a_write_that_changes_nothing_gives_it_back(world):
    assert run(world.service, "UPDATE t SET b = 9 WHERE a = 77").txid == 2
    assert world.lock.taken <= 1


@pytest.mark.parametrize("step", [refuse, lose_request])
def test_an_error_of_the_store_gives_it_back(world, step):
    world.store.plan("create", step, step, step)
    assert error_of(world, INSERT).code == "store_error"


def test_a_bug_gives_it_back(world):
    world.store.plan("create", meanwhile(lambda: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        run(world.service, INSERT)


def test_an_interrupt_gives_it_back(world):
    def interrupt() -> None:
        raise KeyboardInterrupt

    world.store.plan("create", meanwhile(interrupt))
    with pytest.raises(KeyboardInterrupt):
        run(world.service, INSERT)


def test_an_error_of_the_lock_is_that_of_the_request_and_nothing_is_written(world):
    world.lock.error = SldbError("lock_timeout", "it is locked", applied="no")
    error = error_of(world, INSERT)
    assert (error.code, error.details["applied"]) == ("lock_timeout", "no")
    assert run(world.other, "SELECT count(*) FROM t").rows == [(2,)]
    assert "create" not in world.store.verbs()


def test_an_error_of_a_request_ends_the_wait_for_the_lock():
    """The lock would be free in an hour. The request meets its error, and stops waiting."""
    world, errors = World(ImmediateCall), []
    world.host = Host()
    service, may_go_on = world.container(), threading.Event()
    run(service, "SELECT 1")
    world.lock.pauses = [lambda: may_go_on.wait(20)] * 3600

    def request() -> None:
        with pytest.raises(SldbError) as caught:
            run(service, "INSERT INTO t VALUES (1, 1)")
        errors.append(caught.value.code)

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    may_go_on.set()
    thread.join(20)
    assert errors == ["constraint"]
    assert world.lock.held == set()
    service.close()


def test_a_cold_request_that_fails_while_the_lock_is_taken_gives_it_back(world):
    cold = world.container()
    for verb in ("get", "get_range", "list_objects", "get_with_tag"):
        world.store.plan(verb, *[refuse] * 20)
    with pytest.raises(SldbError):
        run(cold, INSERT)
    world.store.forget_plans()
    cold.close()


# From outside


def test_the_watchdog_gives_it_back(world):
    """A request is stuck in SQLite, long after its time."""
    database, results = world.service._databases["main"], []

    def give_up() -> None:
        database.in_flight.deadline = replace(database.in_flight.deadline, at=0.0)
        with database.in_flight.executing_on(database._newest.copy.vfs):
            results.append(database.give_up())
        results.append(set(world.lock.held))

    world.lock.error = None
    real = world.lock.release
    released = []

    def release(lock_id: str, name: str) -> bool:
        released.append(lock_id)
        return real(lock_id, name) if lock_id in world.lock.held else False

    world.lock.release = release  # type: ignore[method-assign]
    world.store.plan("size", meanwhile(give_up))
    large = "INSERT INTO t SELECT value + 100, zeroblob(3000) FROM generate_series(1, 500)"
    run(world.service, large)
    assert released
