"""Cancel: wherever a request is, it stops soon after its mark is in the store, and says truly what was applied.

Time is that of the test: it passes with each look at the clock, in each pause and each wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lambda_handlers import cancel_marks
from lambda_handlers.cancel_marks import VALID_SECONDS
from lambda_handlers.deadline import Deadline
from lambda_handlers.host import Call, Host
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.service import Service
from lambda_handlers.storage import commit
from lambda_handlers.storage.log.keys import cancel_prefix, transaction
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import SldbError
from tests.fakes.aws.ec2 import FakeEc2
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import container, run
from tests.fakes.immediate_call import ImmediateCall
from tests.fakes.stores.faulty import (
    Act,
    FaultyStore,
    PresigningStore,
    blame_own,
    clash,
    lose_answer,
    lose_request,
    works,
)
from tests.fakes.stores.memory import memory_store
from tests.fakes.waiting import wait_until

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
TICK_SECONDS = 0.01
MOST_SECONDS = 2.0 + 3 * TICK_SECONDS


class TickingClock(Clock):
    """Time passes with each look at the clock, too."""

    def now(self) -> float:
        self.sleep(TICK_SECONDS)
        return self.time


@pytest.fixture
def clock() -> Clock:
    return TickingClock()


@pytest.fixture
def store() -> FaultyStore:
    return PresigningStore(memory_store())


class Canceller:
    """Another container, which cancels the request `r` at a moment."""

    def __init__(self, store: Any, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._service: Service | None = None
        self.marked_at = float("inf")
        self.replies: list[dict[str, Any]] = []

    def cancel(self, **arguments: Any) -> dict[str, Any]:
        if self._service is None:  # with a clock that does not tick: plans do not run within plans
            self._service = container(self._store, host=replace(self._clock.host(), now=lambda: self._clock.time))
        self.replies.append(act(self._service, "cancel", request_id="r", **arguments))
        self.marked_at = min(self.marked_at, self._clock.time)
        return self.replies[-1]

    def mark(self) -> None:
        """Put the mark into the store, as the action does before its turn."""
        key = cancel_marks.key_of("main", "r")
        cancel_marks.add(self._store, key, cancel_marks.Mark(None, self._clock.time))
        self.marked_at = self._clock.time

    def plan(self, seconds: float, **arguments: Any) -> None:
        self._clock.at(self._clock.time + seconds, lambda: self.cancel(**arguments))


@pytest.fixture
def other(store: FaultyStore, clock: Clock) -> Canceller:
    return Canceller(store.store, clock)


def cancelled(service: Service, sql: str, clock: Clock, other: Canceller, **fields: Any) -> None:
    """Run a request that must be cancelled soon after the mark."""
    with pytest.raises(SldbError) as caught:
        run(service, sql, request_id="r", **fields)
    error = caught.value
    assert (error.code, error.details["applied"]) == ("cancelled", "no")
    assert other.marked_at <= clock.time <= other.marked_at + MOST_SECONDS


def looks(store: FaultyStore) -> int:
    return sum(verb == "get" and key.startswith(cancel_prefix()) for verb, key in store.calls)


# Wherever it is


@pytest.mark.parametrize("after_seconds", [0.5, 1.5, 7.3])
@pytest.mark.parametrize("sql", [ENDLESS, f"INSERT INTO t {ENDLESS}"])
def test_a_running_statement(store, clock, other, sql, after_seconds) -> None:
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    other.plan(after_seconds)
    cancelled(service, sql, clock, other)
    assert state(store) == state(store, at=1)
    assert run(service, "INSERT INTO t VALUES (1)", request_id="s").txid == 2  # the container is as good as before


def lock_of(kind: str, store: Any, ec2: FakeEc2, clock: Clock) -> Any:
    ages: dict[str, Any] = {"max_age_seconds": 90, "retry_seconds": 1}
    if kind == "s3":
        return ObjectLock(store, clock.host(), **ages)
    return SecurityGroupLock(ec2, clock.host(), stack="test-db", vpc_id=None, **ages)


@pytest.mark.parametrize("kind", ["s3", "security-group"])
def test_a_wait_for_the_lock(store, clock, other, kind) -> None:
    ec2 = FakeEc2()
    holders = lock_of(kind, store, ec2, clock)
    held = holders.acquire("main", clock.time + 100, "INSERT t")
    service = container(store, lock_of(kind, store, ec2, clock), clock.host())
    other.plan(20.2)
    cancelled(service, "CREATE TABLE t (a)", clock, other)
    assert [holder.lock_id for holder in holders.holders()] == [held.lock_id]
    holders.release(held.lock_id, "main")
    assert run(service, "CREATE TABLE t (a)", request_id="s").txid == 1


@pytest.mark.parametrize("kind", ["s3", "security-group"])
def test_a_statement_that_has_the_lock_frees_it(store, clock, other, kind) -> None:
    ec2 = FakeEc2()
    lock = lock_of(kind, store, ec2, clock)
    service = container(store, lock, clock.host())
    run(service, "CREATE TABLE t (a)")
    other.plan(5)
    cancelled(service, f"INSERT INTO t {ENDLESS}", clock, other)
    assert lock.holders() == []


class Hangs(Exception):
    """A request to the store without an answer."""


class HangingCall:
    """A call in a thread; the time of the test passes while it is waited for without an answer."""

    def __init__(self, function: Callable[[], Any], clock: Clock) -> None:
        self._clock = clock
        self._call = ImmediateCall(function)

    def wait(self, seconds: float) -> bool:
        if isinstance(self._call.error, Hangs):
            self._clock.sleep(seconds)
            return False
        return True

    def result(self) -> Any:
        return self._call.result()


def hangs(key: str, act: Act) -> Any:
    """Answer requests for the next transaction only."""
    if key == transaction(3).key("main"):
        return act()
    raise Hangs


def test_a_fetch_without_an_answer(store, clock, other) -> None:
    writer = container(store, host=clock.host())
    run(writer, "CREATE TABLE t (a)")
    run(writer, "INSERT INTO t SELECT randomblob(500000) FROM (VALUES (1), (2), (3), (4), (5), (6))")

    def start(function: Callable[[], Any]) -> Call:
        return HangingCall(function, clock)

    service = container(store, host=replace(clock.host(), start=start))
    run(service, "SELECT count(*) FROM sqlite_schema")
    store.plan("get_range", *[hangs] * 50)
    other.plan(3)
    cancelled(service, "SELECT sum(length(a)) FROM t", clock, other)
    store.forget_plans()
    assert run(service, "SELECT count(*) FROM t").rows[0][0] == 6


def test_a_fetch_without_an_answer_ends_with_the_time_of_its_request(store, clock) -> None:
    writer = container(store, host=clock.host())
    run(writer, "CREATE TABLE t (a)")
    run(writer, "INSERT INTO t SELECT randomblob(500000) FROM (VALUES (1), (2), (3), (4), (5), (6))")
    service = container(store, host=replace(clock.host(), start=lambda function: HangingCall(function, clock)))
    run(service, "SELECT count(*) FROM sqlite_schema")
    store.plan("get_range", *[hangs] * 50)
    with pytest.raises(SldbError) as caught:
        run(service, "SELECT sum(length(a)) FROM t", timeout=5)
    assert caught.value.code == "query_timeout"


def test_pauses_after_lost_races(store, clock, other) -> None:
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    rival = container(store.store, host=replace(clock.host(), now=lambda: clock.time))

    def lose_race(key: str, act: Act) -> Any:
        clock.sleep(0.2)
        run(rival, "INSERT INTO t VALUES (0)")
        return act()

    store.plan("create", *[lose_race] * 100)
    other.plan(2.5)
    cancelled(service, "INSERT INTO t VALUES (1)", clock, other)
    assert run(service, "SELECT count(*) FROM t WHERE a = 1").rows[0][0] == 0


def test_a_wait_for_the_turn_of_another_writer(store, clock, other) -> None:
    rival = container(store.store, host=replace(clock.host(), now=lambda: clock.time))
    run(rival, "CREATE TABLE t (a)")
    rival._database("main").writes.announce(Deadline(clock.time + 100, lambda: clock.time))
    other.plan(10.2)
    cancelled(container(store, host=clock.host()), "INSERT INTO t VALUES (1)", clock, other, timeout=100)
    assert run(rival, "SELECT count(*) FROM t").rows[0][0] == 0


# What it costs


def test_a_short_request_looks_for_no_mark(store, clock) -> None:
    service = container(store, host=Clock().host())
    for sql in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "SELECT * FROM t"):
        run(service, sql, request_id=sql)
    assert looks(store) == 0


def test_a_long_request_looks_once_a_second(store, clock) -> None:
    service = container(store, host=clock.host())
    with pytest.raises(SldbError, match="ran out of time"):
        run(service, ENDLESS, request_id="r", timeout=20)
    assert 15 <= looks(store) <= 20


def test_a_request_without_any_id_is_not_looked_for(store, clock) -> None:
    service = container(store, host=clock.host())
    with pytest.raises(SldbError, match="ran out of time"):
        run(service, ENDLESS, timeout=20)
    assert looks(store) == 0


# Which request


def test_an_invocation_is_cancelled_by_its_own_id(store, clock, other) -> None:
    service = container(store, host=clock.host())
    other.plan(3)

    class Context:
        aws_request_id = "r"

        def get_remaining_time_in_millis(self) -> int:
            return 60_000

    reply = service.handle({"query": ENDLESS}, Context())
    assert (reply["statusCode"], reply["body"]["error"]["code"]) == (499, "cancelled")


@pytest.mark.parametrize("arguments", [{}, {"attempt": "first"}])
def test_a_later_attempt_with_the_same_id_goes_on(store, clock, other, arguments) -> None:
    service = container(store, host=clock.host())
    other.plan(3, **arguments)
    cancelled(service, ENDLESS, clock, other, attempt="first")
    clock.time += 0.1
    with pytest.raises(SldbError, match="ran out of time"):
        run(service, ENDLESS, request_id="r", attempt="second", timeout=20)


def test_an_attempt_that_arrives_after_its_mark_is_stopped(store, clock, other) -> None:
    other.cancel(attempt="a")
    clock.time += 5  # its container starts
    with pytest.raises(SldbError, match="cancelled"):
        run(container(store, host=clock.host()), ENDLESS, request_id="r", attempt="a")


def test_an_old_mark_has_expired(store, clock, other) -> None:
    other.cancel(attempt="a")
    clock.time += VALID_SECONDS + 10
    with pytest.raises(SldbError, match="ran out of time"):
        run(container(store, host=clock.host()), ENDLESS, request_id="r", attempt="a", timeout=20)


# What is applied


@pytest.mark.parametrize("step", [works, lose_answer, lose_request, blame_own, clash])
@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("size", [1, 200_000])
def test_a_commit_is_told_truly_whenever_the_mark_comes(monkeypatch, store, clock, other, step, moment, size) -> None:
    """Once the create was sent, the reply is never `cancelled`."""
    monkeypatch.setattr(commit, "STREAM_BYTES", 100_000)
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    verb = "create_from" if size > 1 else "create"

    def meet(key: str, act: Act) -> Any:
        sent.append(key)
        if moment == "before":
            other.cancel()
        clock.sleep(3)
        try:
            return step(key, lambda: (act(), moment == "during" and other.cancel())[0])
        finally:
            if moment == "after":
                other.cancel()
            clock.sleep(3)

    sent: list[str] = []
    store.plan(verb, meet, meet, meet, meet)
    code, outcome = outcome_of(service, "INSERT INTO t VALUES (zeroblob(?))", [size])
    assert sent
    assert code != "cancelled"
    store.forget_plans()
    is_there = run(container(store, host=clock.host()), "SELECT count(*) FROM t").rows[0][0] == 1
    assert outcome == "unknown" or is_there == (outcome == "yes")
    assert other.cancel()["state"] == ("applied" if is_there else "not_applied")


def outcome_of(service: Service, sql: str, params: list[Any]) -> tuple[str, str]:
    """Return the code of the reply to a request, and what it says was applied."""
    try:
        run(service, sql, params, request_id="r")
    except SldbError as error:
        return error.code, error.details["applied"]
    return "", "yes"


def test_a_mark_before_the_commit_leaves_nothing(store, clock, other) -> None:
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    creates = len([verb for verb, _ in store.calls if verb == "create"])
    other.plan(1)
    clock.at(clock.time + 2, lambda: None)
    cancelled(service, f"INSERT INTO t SELECT 1; {ENDLESS}", clock, other)
    assert len([verb for verb, _ in store.calls if verb == "create"]) == creates


@pytest.mark.parametrize("end", [{}, {"end": "commit"}])
def test_an_open_transaction_stays_as_it_was(store, clock, other, end) -> None:
    """The token that was sent stands for the state before the request, also if the request was to commit."""
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    opened = run(service, "INSERT INTO t VALUES (1)", transaction={"begin": True}).transaction
    clock.at(clock.time + 3, other.mark)  # a pinned statement runs, and no other one can
    going_on = {"token": opened["token"]}
    cancelled(service, f"INSERT INTO t VALUES (2); {ENDLESS}", clock, other, transaction={**going_on, **end})
    assert state(store) == state(store, at=1)
    for _ in range(2):  # warm or not
        assert run(service, "SELECT a FROM t", transaction=going_on).rows == [(1,)]
    committed = run(service, "INSERT INTO t VALUES (3)", transaction={**going_on, "end": "commit"})
    assert committed.transaction == {"ended": "commit"}
    assert run(service, "SELECT a FROM t").rows == [(1,), (3,)]


# What the action replies


def test_it_replies_what_is_known(store, clock, other) -> None:
    service = container(store, host=clock.host())
    assert other.cancel()["state"] == "not_applied"  # unknown to the store: harmless
    run(service, "CREATE TABLE t (a)", request_id="r")
    reply = other.cancel(attempt="a")
    fields = ["database", "request_id", "since", "state", "txid", "time", "attempt"]
    assert list(reply) == fields
    assert (reply["state"], reply["txid"], reply["attempt"]) == ("applied", 1, "a")
    assert other.cancel(attempt="a") == reply
    act(service, "drop_database")
    reply = other.cancel()
    assert list(reply) == fields
    assert (reply["state"], reply["since"]) == ("unknown", None)


@pytest.mark.parametrize("arguments", [{}, {"request_id": ""}, {"request_id": "r", "attempt": ""}, {"request_id": 1}])
def test_bad_arguments_leave_no_mark(store, clock, arguments) -> None:
    with pytest.raises(SldbError) as caught:
        act(container(store, host=clock.host()), "cancel", **arguments)
    assert caught.value.code == "bad_request"
    assert not store.written


# Real threads


def test_a_request_in_the_same_process_is_cancelled_while_it_runs(tmp_path) -> None:
    """The mark does not wait for its turn. Here a second lasts a fiftieth of one."""
    clock = Clock()
    service = container(DirectoryStore(tmp_path), host=Host(now=fast(clock)))
    run(service, "CREATE TABLE t (a)")
    errors: list[SldbError] = []

    def insert() -> None:
        try:
            run(service, f"INSERT INTO t {ENDLESS}", request_id="r", attempt="a", timeout=100_000)
        except SldbError as error:
            errors.append(error)

    thread = threading.Thread(target=insert)
    thread.start()
    wait_until(service._running.locked, "that it runs")
    reply = act(service, "cancel", request_id="r", attempt="a")
    thread.join()
    assert [error.code for error in errors] == ["cancelled"]
    assert reply["state"] == "not_applied"  # looked up when the request was over


def fast(clock: Clock) -> Callable[[], float]:
    """Return a clock that is fifty times as fast as the machine's."""
    began_at = time.monotonic()
    return lambda: clock.time + 50 * (time.monotonic() - began_at)
