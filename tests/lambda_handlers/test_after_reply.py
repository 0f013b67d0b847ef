"""Work after the reply: when it is done, in which order, and what is told of it."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.after_reply import IN_A_ROW_SECONDS, AfterReply
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.store.metered import MeteredStore
from tests.fakes.clock import Clock
from tests.fakes.stores.memory import memory_store


class Scene:
    def __init__(self, host: Host | None = None) -> None:
        self.store = MeteredStore(memory_store())
        self.lines = io.StringIO()
        self.after = AfterReply(host or Host(), Log("debug", self.lines), self.store)
        self.done: list[Any] = []

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_work_is_done_at_the_end_of_its_request_unless_it_is_put_off(scene: Scene) -> None:
    scene.after.later(lambda: scene.done.append(1))
    assert scene.done == []
    scene.after.settle()
    assert scene.done == [1]
    assert scene.after.take_stats() == {}


@given(st.lists(st.booleans(), max_size=8))
def test_all_of_it_is_done_in_its_order_whoever_fails(fail: list[bool]) -> None:
    scene = Scene()
    scene.after.put_off(has_thread=False)

    def work(number: int) -> None:
        scene.done.append(number)
        if fail[number]:
            raise ValueError(f"secret {number}")

    for number in range(len(fail)):
        scene.after.later(lambda number=number: work(number))  # type: ignore[misc]  # mypy knows no defaults of lambdas
    assert scene.done == []
    scene.after.begin()
    assert scene.after.is_due == bool(fail)
    scene.after.finish()
    assert (scene.done, scene.after.is_due) == (list(range(len(fail))), False)
    failures = [line for line in scene.log() if line["event"] == "after_reply_failed"]
    assert len(failures) == sum(fail)
    assert "secret 0" not in scene.lines.getvalue()


def test_a_thread_begins_with_it_and_the_next_request_waits_for_its_end(scene: Scene) -> None:
    scene.after.put_off(has_thread=True)
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(30)
        scene.done.append(threading.current_thread())

    scene.after.later(work)
    assert not begun.is_set()
    scene.after.begin()
    assert begun.wait(30)
    assert scene.done == []
    may_end.set()
    scene.after.finish()
    assert scene.done != [threading.current_thread()]
    assert len(scene.done) == 1


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("pause", [IN_A_ROW_SECONDS - 0.1, IN_A_ROW_SECONDS])
def test_nothing_is_put_off_that_would_meet_the_next_request(pause: float, is_last: bool) -> None:
    """While an extension works, Lambda sends the next request to another environment."""
    clock = Clock()
    scene = Scene(clock.host())
    scene.after.put_off(has_thread=False)
    for _ in range(2):
        scene.after.begin_request(is_last=False)
        scene.after.begin()
        clock.sleep(pause)
    scene.after.begin_request(is_last=is_last)
    scene.after.later(lambda: scene.done.append("fold"))
    scene.after.release_later(lambda: scene.done.append("release"))
    scene.after.settle()
    assert scene.done == ([] if is_last else ["release"] if pause == IN_A_ROW_SECONDS else ["release", "fold"])
    scene.after.finish()
    assert sorted(scene.done) == ["fold", "release"]


@pytest.mark.parametrize("has_thread", [False, True])
def test_who_waits_for_a_lock_waits_for_no_other_work(scene: Scene, has_thread: bool) -> None:
    scene.after.put_off(has_thread=has_thread)
    scene.after.begin_request(is_last=not has_thread)
    for work in ("fold", "map"):
        scene.after.later(lambda work=work: scene.done.append(work))  # type: ignore[misc]  # mypy knows no defaults of lambdas
    scene.after.release_later(lambda: scene.done.append("release"))
    assert scene.done == []
    scene.after.finish()
    assert scene.done == ["release", "fold", "map"]


def test_no_thread_is_started_for_nothing() -> None:
    def start(_: object) -> Any:
        raise AssertionError("nothing is due")

    scene = Scene(Host(start=start))
    scene.after.put_off(has_thread=True)
    scene.after.begin()
    scene.after.finish()


def test_what_it_took_is_told_once(scene: Scene) -> None:
    scene.after.put_off(has_thread=False)
    for number in range(2):
        scene.after.later(lambda number=number: scene.store.create(f"a{number}", b"12345"))  # type: ignore[misc]  # mypy knows no defaults of lambdas
        scene.after.finish()
    stats = scene.after.take_stats()
    assert stats.pop("after_ms") >= 0
    assert stats == {
        "after_store_requests": 2,
        "after_store_writes": 2,
        "after_bytes_in": 0,
        "after_bytes_out": 10,
    }
    assert scene.after.take_stats() == {}
    assert [line["event"] for line in scene.log()] == ["after_reply"] * 2
