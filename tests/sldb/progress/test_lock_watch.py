"""The watch of the lock while a request runs, with a clock of the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.wire import Action, Request, SldbError, Statement
from sldb.progress.lock_watch import FIRST_SECONDS, PAUSE_SECONDS, SeenLock, Wait, watch
from tests.fakes.clock import Clock

INSERT = Request((Statement("INSERT INTO users VALUES (1)"),))


def held(age_seconds: float | None, doing: str = "INSERT users") -> SeenLock:
    return SeenLock(Holder("id", "main", "owner", None, doing), age_seconds)


class Looks:
    """What each look finds, and what the wait says just after it."""

    def __init__(self, clock: Clock, found: Sequence[SeenLock | SldbError | None]) -> None:
        self._clock = clock
        self._found = list(found)
        self.wait = Wait()
        self.at: list[float] = []
        self.shown: list[str] = []

    def __call__(self, database: str) -> SeenLock | None:
        assert database == "main"
        self.at.append(self._clock.now())
        found = self._found[len(self.at) - 1]
        if isinstance(found, SldbError):
            raise found
        return found

    def is_over(self, seconds: float) -> bool:
        if self.at:
            self.shown.append(self.wait.text(self._clock.now()))
        self._clock.sleep(seconds)
        return len(self.at) == len(self._found)


def watched(sent: Request | Action, *found: SeenLock | SldbError | None) -> Looks:
    clock = Clock(0.0)
    looks = Looks(clock, found)
    watch(sent, looks, looks.wait, looks.is_over, clock.now)
    return looks


def test_the_lock_of_another_process_is_waited_for_however_young() -> None:
    looks = watched(INSERT, replace(held(2.1), is_of_another=True), held(2.1))
    assert looks.shown == ["waiting for the lock: INSERT users, 2 s", ""]


def test_a_lock_older_than_the_request_is_waited_for() -> None:
    looks = watched(INSERT, held(12.0), held(15.0), None)
    assert looks.shown == [
        "waiting for the lock: INSERT users, 12 s",
        "waiting for the lock: INSERT users, 15 s",
        "",
    ]
    assert looks.at == [FIRST_SECONDS, FIRST_SECONDS + PAUSE_SECONDS, FIRST_SECONDS + 2 * PAUSE_SECONDS]


def test_the_seconds_go_on_between_two_looks() -> None:
    looks = watched(INSERT, held(12.0))
    assert looks.wait.text(PAUSE_SECONDS + FIRST_SECONDS) == "waiting for the lock: INSERT users, 15 s"


@pytest.mark.parametrize("age", [None, 0.0, FIRST_SECONDS, FIRST_SECONDS + 0.9])
def test_a_younger_lock_may_be_its_own(age: float | None) -> None:
    assert watched(INSERT, held(age)).shown == [""]


def test_a_lock_without_a_purpose_belongs_to_another_writer() -> None:
    assert watched(INSERT, held(12.0, "")).shown == ["waiting for the lock: another writer, 12 s"]


def test_without_the_right_to_look_there_is_one_look_and_no_word() -> None:
    looks = watched(INSERT, held(12.0), SldbError("store_error", "EC2 refused", "ask for the right"), held(20.0))
    assert len(looks.at) == 2
    assert looks.wait.text(100.0) == ""


@pytest.mark.parametrize(
    "sent",
    [
        Request((Statement("SELECT * FROM users"),)),
        Request((Statement("WITH n AS (SELECT 1) SELECT * FROM n"),)),
        Request((Statement("INSERT INTO users VALUES (1)"),), at=3),
        Request((Statement("INSERT INTO users VALUES (1)"),), read_only=True),
        Request((Statement("INSERT INTO users VALUES (1)"),), dry_run=True),
        Action("history", "main", {}),
    ],
)
def test_what_takes_no_lock_waits_for_none(sent: Request | Action) -> None:
    clock = Clock()

    def look(database: str) -> SeenLock | None:
        raise AssertionError("there is nothing to wait for")

    is_over: Callable[[float], bool] = lambda _seconds: False  # noqa: E731 - for its type
    watch(sent, look, Wait(), is_over, clock.now)


SETTING = Request((Statement("PRAGMA user_version = 1"),))


@pytest.mark.parametrize("sent", [INSERT, SETTING, Action("restore", "main", {})])
def test_what_takes_the_lock_is_watched(sent: Request | Action) -> None:
    assert watched(sent, held(12.0)).shown != [""]
