"""The line of progress on a terminal in memory, with a clock of the test."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Action, Request, Statement
from sldb.cli import progress
from sldb.cli.progress import Display
from sldb.render.text import width
from tests.fakes.clock import Clock
from tests.fakes.terminal.screen import Screen
from tests.fakes.waiting import wait_until

COLUMNS = 60


@pytest.fixture(autouse=True)
def of_one_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Make standard error a terminal. In the test itself: pytest replaces the streams after the fixtures."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_the_first_second_shows_nothing(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    display.begin("exporting users", rows=None)
    clock.sleep(0.99)
    display.tick()
    assert screen.getvalue() == ""
    clock.sleep(0.02)
    display.tick()
    assert screen.lines == ["⠙ exporting users · 0 rows · 1 s"]


def test_the_line_is_replaced_and_erased(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    display.begin("exporting users", rows=None)
    clock.sleep(10)
    display.advance(rows=1_000_000)
    display.tick()
    assert screen.lines == ["⠙ exporting users · 1,000,000 rows · 100,000 rows/s · 10 s"]
    display.begin("checking")
    clock.sleep(1)
    display.tick()
    assert screen.lines == ["⠹ checking · 1 s"]
    display.close()
    assert screen.lines == [""]
    display.tick()
    assert screen.lines == [""]


def test_a_known_total_has_a_bar(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    display.begin("pulling", bytes=2_000_000)
    display.advance(bytes=500_000)
    clock.sleep(2)
    display.tick()
    assert screen.lines == ["⠙ pulling ━━━━──────────── 500.0 KB · 250.0 KB/s · 6 s left"]


def test_a_step_inside_another_one_leaves_it_as_it_was(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    with display.step("migrating"):
        with display.step("applying 1_users.sql"):
            clock.sleep(2)
            display.tick()
            assert screen.lines == ["⠙ applying 1_users.sql · 2 s"]
        display.tick()
        assert screen.lines == ["⠹ migrating · 2 s"]
    assert display.is_idle
    assert screen.lines == [""]


def test_a_new_step_after_an_idle_time_has_a_first_second_of_its_own(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    with display.step("running"):
        clock.sleep(2)
    clock.sleep(60)
    with display.step("running"):
        display.tick()
        assert screen.getvalue() == ""


def test_lines_that_stay_are_above_it(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    screen = terminal(monkeypatch)
    display = Display(screen, clock.now)
    display.begin("pulling")
    clock.sleep(2)
    display.tick()
    display.note("through the \x1b function")
    display.tick()
    assert screen.lines == ["through the \\x1b function", "⠹ pulling · 2 s"]


def test_a_question_is_asked_without_it(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    display.begin("pushing")
    clock.sleep(2)
    display.tick()
    with display.hidden():
        display.tick()
        assert screen.lines == [""]
    display.tick()
    assert screen.lines == ["⠹ pushing · 2 s"]


def test_the_wait_for_a_lock_takes_the_place_of_amounts(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    display.begin("importing", rows=None)
    clock.sleep(3)
    display.wait_for("waiting for the lock: INSERT users, 12 s")
    display.tick()
    assert screen.lines == ["⠙ importing · waiting for the lock: INSERT users, 12 s"]
    display.wait_for("")
    display.tick()
    assert screen.lines == ["⠹ importing · 0 rows · 3 s"]


@given(what=st.text(), rows=st.integers(0, 10**20))
def test_any_name_makes_one_line_in_the_width_of_the_terminal(what: str, rows: int) -> None:
    screen, clock = Screen(), Clock()
    display = Display(screen, clock.now)
    display.begin(what, rows=None)
    display.advance(rows=rows)
    clock.sleep(2)
    display.tick()
    (line,) = screen.lines
    assert width(line) < COLUMNS


def test_a_terminal_without_the_signs_gets_others(clock: Clock) -> None:
    screen = Screen()
    screen.encoding = "latin-1"
    display = Display(screen, clock.now)
    display.begin("pulling", bytes=100)
    display.advance(bytes=50)
    clock.sleep(2)
    display.tick()
    assert screen.lines == ["/ pulling ########-------- 50 B · 25 B/s · 2 s left"]


def test_a_terminal_that_is_gone_stops_nothing(clock: Clock) -> None:
    class Gone(Screen):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    display = Display(Gone(), clock.now)
    display.begin("pulling")
    clock.sleep(2)
    display.tick()
    display.advance(bytes=1)
    display.close()


def test_nothing_is_drawn_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with progress.show("pulling") as shown:
        assert not shown.is_shown
        shown.begin("checking", rows=1)
        shown.advance(rows=1)
        shown.note("a line")
        assert "sldb-progress" not in {thread.name for thread in threading.enumerate()}
    assert pipe.getvalue() == "a line\n"


def test_a_terminal_that_cannot_erase_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with progress.show("pulling") as shown:
        assert not shown.is_shown


def test_data_on_the_same_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", Screen())
    with progress.show("exporting", beside_data=True) as shown:
        assert not shown.is_shown
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with progress.show("exporting", beside_data=True) as shown:
        assert shown.is_shown


@pytest.mark.parametrize("end", [None, KeyboardInterrupt(), ValueError()])
def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, end: BaseException | None) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    with suppress(KeyboardInterrupt, ValueError), progress.show("pulling"):
        wait_until(lambda: "pulling" in screen.getvalue(), "it is drawn")
        if end is not None:
            raise end
    assert screen.lines == [""]
    wait_until(lambda: "sldb-progress" not in {thread.name for thread in threading.enumerate()}, "the thread ends")
    progress.say("afterwards")
    assert screen.lines == ["afterwards", ""]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (Request((Statement("SELECT 1"),)), "running"),
        (Action("restore", "main", {}), "restoring main"),
        (Action("another", "main", {}), "running"),
    ],
)
def test_a_request_is_shown_while_it_runs(monkeypatch: pytest.MonkeyPatch, sent: Request | Action, shown: str) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    with progress.show_request(sent):
        wait_until(lambda: f" {shown} · " in screen.getvalue(), "it is drawn")
    assert screen.lines == [""]


def test_a_request_leaves_the_name_to_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    with progress.show("exporting users"), progress.show_request(Request((Statement("SELECT 1"),))):
        wait_until(lambda: "exporting" in screen.getvalue(), "it is drawn")
    assert "running" not in screen.getvalue()


def test_requests_of_other_threads_are_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal(monkeypatch)
    began = []

    def send() -> None:
        with progress.show_request(Request((Statement("SELECT 1"),))):
            began.extend(thread.name for thread in threading.enumerate())

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert began
    assert "sldb-progress" not in began
