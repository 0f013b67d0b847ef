"""The progress of a command: when it is shown, and what is left of it."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import suppress

import pytest

from lambda_handlers.wire import Action, Request, Statement
from sldb.cli import progress
from sldb.progress import display
from tests.fakes.terminal.screen import Screen
from tests.fakes.waiting import wait_until

COLUMNS = 60


@pytest.fixture(autouse=True)
def of_one_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setenv("TERM", "xterm")


def terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Make standard error a terminal. In the test itself: pytest replaces the streams after the fixtures."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_nothing_is_drawn_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    before = set(threading.enumerate())
    with progress.show("pulling") as shown:
        assert not shown.is_shown
        shown.begin("checking", rows=1)
        shown.advance(rows=1)
        shown.note("a line")
        assert "sldb-progress" not in {thread.name for thread in set(threading.enumerate()) - before}
    assert pipe.getvalue() == "a line\n"


def test_sentences_are_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence, screen = "as many words as " + "fill a line " * 12, terminal(monkeypatch)
    progress.say(sentence)
    with progress.show("pulling") as shown:
        shown.note(sentence)
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert " ".join(" ".join(lines).split()) == " ".join((sentence * 2).split())


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
    monkeypatch.setattr(display, "FIRST_SECONDS", 0.0)
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
    monkeypatch.setattr(display, "FIRST_SECONDS", 0.0)
    with progress.show_request(sent):
        wait_until(lambda: f" {shown} · " in screen.getvalue(), "it is drawn")
    assert screen.lines == [""]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (Request((Statement("SELECT 1"),)), ""),
        (Action("history", "main", {}), ""),
        (
            Action("restore", "main", {}),
            "stopped waiting; the same command again finds what was done, and goes on from there\n",
        ),
    ],
)
def test_a_stopped_action_that_writes_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, sent: Request | Action, said: str
) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with pytest.raises(KeyboardInterrupt), progress.show_request(sent):
        raise KeyboardInterrupt
    assert pipe.getvalue() == said


def test_a_request_leaves_the_name_to_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(display, "FIRST_SECONDS", 0.0)
    with progress.show("exporting users"), progress.show_request(Request((Statement("SELECT 1"),))):
        wait_until(lambda: "exporting" in screen.getvalue(), "it is drawn")
    assert "running" not in screen.getvalue()


def test_requests_of_other_threads_are_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal(monkeypatch)
    before = set(threading.enumerate())  # the line of an earlier test may be ending
    began: list[threading.Thread] = []

    def send() -> None:
        with progress.show_request(Request((Statement("SELECT 1"),))):
            began.extend(set(threading.enumerate()) - before)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert thread in began
    assert "sldb-progress" not in {thread.name for thread in began}
