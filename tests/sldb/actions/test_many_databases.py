"""Requests side by side: bounded, in order, past one without an answer."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Sequence
from itertools import chain, count, repeat
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Action, Reply, Request, SldbError, Statement
from sldb.actions.many_databases import MAX_AHEAD, Clients, SideBySide, _Jobs, find_matching, run_side_by_side
from sldb.client import Client
from tests.fakes.waiting import wait_until


def test_patterns() -> None:
    databases = [{"name": name, "state": "ok"} for name in ("b-2", "a", "b-1", "c")]
    databases += [{"name": "b-3", "state": "unfinished"}, {"name": "b-4", "state": "dropped"}]
    assert find_matching(["b-*"], databases) == ["b-1", "b-2"]
    assert find_matching(["?", "b-1", "a"], databases) == ["a", "b-1", "c"]
    assert find_matching(["x*"], databases) == []


@given(st.lists(st.floats(0, 0.003), max_size=12), st.integers(1, 4))
def test_all_are_told_in_their_order_and_never_more_run_than_may(pauses: list[float], jobs: int) -> None:
    now = most = 0
    counting = threading.Lock()

    def run(name: str) -> str:
        nonlocal now, most
        with counting:
            now += 1
            most = max(most, now)
        time.sleep(pauses[int(name)])
        with counting:
            now -= 1
        return name * 2

    names = [str(number) for number in range(len(pauses))]
    assert list(run_side_by_side(names, run, jobs)) == [(name, name * 2) for name in names]
    assert most <= jobs


def test_they_do_run_side_by_side() -> None:
    meeting = threading.Barrier(3)
    assert len(list(run_side_by_side(["a", "b", "c"], lambda name: meeting.wait(20), 3))) == 3


def test_one_that_fails_sinks_no_other() -> None:
    def run(name: str) -> str:
        if name == "b":
            raise SldbError("sql_error", "no")
        return name

    told = dict(run_side_by_side(["a", "b", "c"], run, 1))
    assert (told["a"], told["c"]) == ("a", "c")
    assert isinstance(told["b"], SldbError)


def test_a_bug_is_raised_where_it_is_seen() -> None:
    with pytest.raises(ZeroDivisionError):
        list(run_side_by_side(["a"], lambda name: 1 / 0, 1))


def test_one_that_hangs_is_given_up_and_its_place_taken() -> None:
    hangs = threading.Event()

    def run(name: str) -> str:
        if name == "a":
            hangs.wait(60)
        return name

    now = chain([0.0], repeat(60.0))  # when the first begins, and ever after
    told = list(run_side_by_side(["a", "b", "c"], run, 1, timeout_seconds=60, now=lambda: next(now)))
    hangs.set()
    assert [name for name, _ in told] == ["a", "b", "c"]
    assert isinstance(told[0][1], SldbError)
    assert told[0][1].code == "query_timeout"
    assert [outcome for _, outcome in told[1:]] == ["b", "c"]


def test_one_that_hangs_is_not_waited_for_any_longer() -> None:
    hangs = threading.Event()
    ((name, outcome),) = run_side_by_side(["a"], lambda name: hangs.wait(60), 1, timeout_seconds=0.05)
    hangs.set()
    assert name == "a"
    assert isinstance(outcome, SldbError)


def is_waiting() -> bool:
    """Whether the main thread waits for an answer (and not for the start of a thread)."""
    ident = threading.main_thread().ident
    assert ident is not None
    before = sys._current_frames()[ident].f_back
    return before is not None and before.f_code is _Jobs.wait.__code__


def test_ctrl_c_is_noticed_even_if_it_does_not_end_the_wait() -> None:
    """It may arrive after Python has looked for signals and before the wait begins."""
    is_noticed, ends = threading.Event(), []

    def run(name: str) -> None:
        wait_until(is_waiting, "that it waits for an answer")
        _thread.interrupt_main()
        is_noticed.wait(30)
        ends.append(name)

    with pytest.raises(KeyboardInterrupt):
        list(run_side_by_side(["a"], run, 1))
    assert ends == []
    is_noticed.set()


def test_a_run_that_is_stopped_begins_no_more_and_reports_those_that_ran() -> None:
    is_cancelled, cancelled = threading.Event(), list[str]()

    def run(name: str) -> str:
        if name == "first":
            return "done"
        wait_until(is_cancelled.is_set, "the cancellation")
        if name == "bad":
            raise SldbError("cancelled", "stopped")
        return "over"

    def cancel(names: Sequence[str]) -> None:
        cancelled.extend(names)
        is_cancelled.set()

    running = SideBySide(run, 2)
    outcomes = running.outcomes(["first", "bad", "late", "never"])
    assert next(outcomes) == ("first", "done")
    stopped = dict(running.stop(cancel, 60.0))
    assert cancelled == list(stopped)
    assert "never" not in stopped
    assert isinstance(stopped["bad"], SldbError)
    assert stopped.get("late", "over") == "over"  # it may have begun


def test_a_stopped_run_does_not_wait_for_ever() -> None:
    may_end = threading.Event()
    running = SideBySide(lambda _name: may_end.wait(60), 2, now=count().__next__)
    outcomes = running.outcomes(["a", "b"])
    thread = threading.Thread(target=lambda: list(outcomes))
    thread.start()
    wait_until(lambda: len(running._begun) == 2, "that both run")
    assert list(running.stop(lambda _names: None, 3.0)) == [("a", None), ("b", None)]
    may_end.set()
    thread.join()


def test_clients_cancel_the_requests_that_run() -> None:
    class Target:
        name = "target"
        cancelled = threading.Event()
        actions: ClassVar[list[Action]] = []
        requests: ClassVar[list[Request]] = []

        def send(self, request: Request) -> Reply:
            self.requests.append(request)
            wait_until(self.cancelled.is_set, "the cancellation")
            raise SldbError("cancelled", "stopped", applied="no")

        def act(self, action: Action) -> dict[str, Any]:
            self.actions.append(action)
            if len(self.actions) == 2:
                self.cancelled.set()
            return {}

        def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
            raise NotImplementedError

        def close(self) -> None: ...

    clients = Clients(lambda: Client(Target()))
    request = Request((Statement("INSERT INTO t VALUES (1)"),))
    running = SideBySide(lambda name: clients.execute(name, request), 2)
    thread = threading.Thread(target=lambda: list(running.outcomes(["a", "b"])))
    thread.start()
    wait_until(lambda: len(Target.requests) == 2, "that both run")
    clients.cancel(["a", "b"])
    thread.join()
    assert sorted(action.database for action in Target.actions) == ["a", "b"]
    for action in Target.actions:
        sent = next(each for each in Target.requests if each.database == action.database)
        assert action.arguments == {"request_id": sent.request_id, "attempt": sent.attempt}
        assert clients.request_id(action.database) == sent.request_id


def test_what_waits_for_an_earlier_one_is_bounded() -> None:
    first_may_go = threading.Event()
    begun: list[str] = []

    def run(name: str) -> str:
        begun.append(name)
        if name == "0":
            first_may_go.wait(60)
        return name

    names = [str(number) for number in range(100)]
    told = run_side_by_side(names, run, 2)
    threading.Timer(0.3, first_may_go.set).start()
    assert next(told)[0] == "0"
    assert len(begun) <= 2 * MAX_AHEAD + 2
    assert [name for name, _ in told] == names[1:]


def test_a_request_that_is_not_sent_when_its_database_is_cancelled_never_is() -> None:
    clients = Clients(lambda: pytest.fail("nothing is to be sent"))
    clients.cancel(["a"])
    with pytest.raises(SldbError) as caught:
        clients.execute("a", Request((Statement("INSERT INTO t VALUES (1)"),)))
    assert (caught.value.code, caught.value.details["applied"]) == ("cancelled", "no")
