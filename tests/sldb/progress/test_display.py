"""The line of progress on a terminal in memory, with a clock of the test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.progress.display import Display
from sldb.progress.lock_watch import Wait
from sldb.render.text import width
from tests.fakes.clock import Clock
from tests.fakes.terminal.screen import Screen

COLUMNS = 60


@pytest.fixture(autouse=True)
def of_one_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def clock() -> Clock:
    return Clock()


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
    assert not display.steps
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


def test_lines_that_stay_are_above_it(clock: Clock) -> None:
    screen = Screen()
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
    with display.waiting(Wait("INSERT users", clock.now() - 12)):
        display.tick()
        assert screen.lines == ["⠙ importing · waiting for the lock: INSERT users, 12 s"]
    display.tick()
    assert screen.lines == ["⠹ importing · 0 rows · 3 s"]


def test_a_request_without_a_name_of_its_own_only_waits(clock: Clock) -> None:
    screen = Screen()
    display = Display(screen, clock.now)
    with display.step("running"), display.waiting(Wait("DROP TABLE \x1b", clock.now())):
        clock.sleep(3)
        display.tick()
        assert screen.lines == ["⠙ waiting for the lock: DROP TABLE \\x1b, 3 s"]


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
