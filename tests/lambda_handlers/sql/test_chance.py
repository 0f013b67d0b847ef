"""Turns of statements: a pinned one alone, others together, in the order of their arrival and within their time."""

from __future__ import annotations

import threading

import pytest

from lambda_handlers.sql.chance import GENERATOR, FairTurns
from lambda_handlers.storage.time_limit import NO_LIMIT
from lambda_handlers.wire import SldbError
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store


class Waiting:
    """A limit that tells when a statement waits; with an error, that ends it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.has_looked = threading.Event()
        self._error = error

    def check(self) -> None:
        self.has_looked.set()
        if self._error:
            raise self._error


class Statement:
    """A statement in a thread of its own: begun, it holds its turn until `end`."""

    def __init__(self, turns: FairTurns, alone: bool) -> None:
        self.limit = Waiting()
        self.runs = threading.Event()
        self._may_end = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(turns, alone))
        self._thread.start()

    def _run(self, turns: FairTurns, alone: bool) -> None:
        turns.begin(alone, self.limit)
        self.runs.set()
        self._may_end.wait()
        turns.end(alone)

    def waits(self) -> bool:
        return self.limit.has_looked.wait(10) and not self.runs.is_set()

    def end(self) -> None:
        self._may_end.set()
        self._thread.join()


def test_statements_without_a_pin_run_together():
    turns = FairTurns()
    ones = [Statement(turns, alone=False) for _ in range(3)]
    assert all(one.runs.wait(10) for one in ones)
    for one in ones:
        one.end()


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_a_pinned_one_runs_beside_no_other(first, second):
    turns = FairTurns()
    running = Statement(turns, first)
    assert running.runs.wait(10)
    other = Statement(turns, second)
    assert other.waits()
    running.end()
    assert other.runs.wait(10)
    other.end()


def test_a_pinned_one_is_not_overtaken_for_ever_and_overtakes_nothing():
    turns = FairTurns()
    reader = Statement(turns, alone=False)
    assert reader.runs.wait(10)
    pinned = Statement(turns, alone=True)
    assert pinned.waits()
    late = [Statement(turns, alone=False) for _ in range(2)]
    assert all(one.waits() for one in late), "they came after the pinned one"
    last = Statement(turns, alone=True)
    assert last.waits()
    reader.end()
    assert pinned.runs.wait(10)
    pinned.end()
    assert all(one.runs.wait(10) for one in late)
    assert last.waits()
    for one in late:
        one.end()
    assert last.runs.wait(10)
    last.end()


def test_one_whose_time_is_over_leaves_no_trace():
    turns = FairTurns()
    running = Statement(turns, alone=True)
    assert running.runs.wait(10)
    for alone in (True, False):
        with pytest.raises(KeyError):
            turns.begin(alone, Waiting(KeyError()))
    running.end()
    turns.begin(True, NO_LIMIT)
    turns.end(True)


def test_one_that_gives_up_lets_those_behind_it_go_on():
    turns = FairTurns()
    reader = Statement(turns, alone=False)
    assert reader.runs.wait(10)
    begins = threading.Event()

    class Impatient(Waiting):
        def check(self) -> None:
            self.has_looked.set()
            begins.wait()
            raise KeyError

    limit = Impatient()
    failed = []

    def run_pinned() -> None:
        try:
            turns.begin(True, limit)
        except KeyError as error:
            failed.append(error)

    pinned = threading.Thread(target=run_pinned)
    pinned.start()
    assert limit.has_looked.wait(10)
    behind = Statement(turns, alone=False)
    assert behind.waits()
    begins.set()
    pinned.join()
    assert failed
    assert behind.runs.wait(10)
    behind.end()
    reader.end()


def test_a_request_waits_within_its_time():
    service = container(memory_store())
    GENERATOR.turns.begin(True, NO_LIMIT)
    try:
        with pytest.raises(SldbError) as caught:
            run(service, "SELECT 1", timeout=0.2)
    finally:
        GENERATOR.turns.end(True)
    assert (caught.value.code, caught.value.details["applied"]) == ("query_timeout", "no")
    assert run(service, "SELECT 1").rows == [(1,)]
    service.close()
