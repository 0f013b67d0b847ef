"""The progress of whatever takes more than a second, as one line on a terminal. This module alone draws it.

    ⠹ exporting users ━━━━━━━━━━────── 412,000 rows · 34.1 MB · 98,000 rows/s · 2 s left

The line appears a second after the beginning of a step, below all other output, and is erased at its end, also after
an error or Ctrl-C. It is drawn on standard error if that is a terminal, and never into a file or a pipe. `say` prints
lines that stay; a question is asked while the line is `hidden`.

Displays do not nest: a `show` within another one adds a step to the line.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from sldb.progress.protocol import Progress
from sldb.progress.step import Step

if TYPE_CHECKING:
    from lambda_handlers.wire import Action, Request

FIRST_SECONDS = 1.0  # of a step, without a line
REDRAW_SECONDS = 0.1
_ERASE_REST = "\x1b[K"  # to the end of the line
_BAR_CELLS = 16
_MAX_NAME_CHARACTERS = 60
_SPINNER, _BAR = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "━─"
_ASCII_SPINNER, _ASCII_BAR = "|/-\\", "#-"


class Display:
    """The line of one terminal, drawn by `tick`. Safe for threads."""

    is_shown = True

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._guard = threading.RLock()
        self._steps: list[Step] = []  # the innermost comes last
        self._waiting = ""  # what the innermost step waits for
        self._shows_from = 0.0
        self._is_drawn = False
        self._is_hidden = False
        self._ticks = 0

    @property
    def is_idle(self) -> bool:
        return not self._steps

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Add a step, and show it while this is open."""
        with self._guard:
            self._push(Step(what, now=self._now))
            depth = len(self._steps)
        try:
            yield
        finally:
            with self._guard:
                del self._steps[depth - 1 :]
                self.erase()

    def begin(self, what: str, **totals: int | None) -> None:
        """Replace the innermost step."""
        with self._guard:
            if self._steps:
                self._steps.pop()
                self._steps.append(Step(what, totals, self._now))
            else:
                self._push(Step(what, totals, self._now))

    def advance(self, **amounts: int) -> None:
        if self._steps:
            self._steps[-1].advance(amounts)

    def note(self, text: str) -> None:
        with self._guard:
            self.erase()
            click.echo(_escape(text), err=True)

    def wait_for(self, text: str) -> None:
        """Show what the step waits for in place of its amounts; empty: nothing."""
        self._waiting = text

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Show nothing while this is open: the terminal is needed for something else."""
        with self._guard:
            self.erase()
            before, self._is_hidden = self._is_hidden, True
        try:
            yield
        finally:
            self._is_hidden = before

    def tick(self) -> None:
        """Draw the line, if it is time for one."""
        with self._guard:
            if not self._steps or self._is_hidden or self._now() < self._shows_from:
                return
            self._ticks += 1
            self._write(f"\r{self._text(self._steps[-1])}{_ERASE_REST}")
            self._is_drawn = True

    def erase(self) -> None:
        """Remove the line from the terminal."""
        with self._guard:
            if self._is_drawn:
                self._is_drawn = False
                self._write(f"\r{_ERASE_REST}")

    def close(self) -> None:
        """Remove the line, and draw no other."""
        with self._guard:
            self._steps.clear()
            self.erase()

    def _push(self, step: Step) -> None:
        if not self._steps:
            self._shows_from = self._now() + FIRST_SECONDS
        self._steps.append(step)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._steps.clear()  # the terminal is gone: the work goes on without a line

    def _text(self, step: Step) -> str:
        spinner, bar = (_SPINNER, _BAR) if _can_print(self._stream, _SPINNER + _BAR) else (_ASCII_SPINNER, _ASCII_BAR)
        begins = f"{spinner[self._ticks % len(spinner)]} {_escape(step.what)[:_MAX_NAME_CHARACTERS]}"
        if self._waiting:
            return _clipped(f"{begins} · {_escape(self._waiting)}")
        if (part := step.part) is not None:
            full = int(part * _BAR_CELLS)
            begins += f" {bar[0] * full}{bar[1] * (_BAR_CELLS - full)}"
        return _clipped(" · ".join([begins, *step.phrases()]).replace(f"{bar[1]} · ", f"{bar[1]} "))


class _Lines:
    """Progress where there is no terminal: only the lines that stay."""

    is_shown = False

    def begin(self, what: str, **totals: int | None) -> None: ...

    def advance(self, **amounts: int) -> None: ...

    def note(self, text: str) -> None:
        say(text)


_current: Display | None = None  # the one of the command that runs


@contextmanager
def show(what: str = "", *, beside_data: bool = False) -> Iterator[Progress]:
    """Show the progress of a step while this is open; without a name, from its first `begin`. `beside_data`: the data
    goes to standard output meanwhile: on a terminal the line would be drawn into it."""
    if not _is_terminal() or (beside_data and sys.stdout.isatty()):
        yield _Lines()
        return
    with _displayed() as display:
        if not what:
            yield display
            return
        with display.step(what):
            yield display


@contextmanager
def show_request(sent: Request | Action) -> Iterator[None]:
    """Show a request while this is open: that it runs, unless a step of the command says more."""
    # Requests of other threads run beside those of the main one, or behind a prompt.
    if not _is_terminal() or threading.current_thread() is not threading.main_thread():
        yield
        return
    with _displayed() as display:
        if not display.is_idle:
            yield
            return
        with display.step(_name(sent)):
            yield


def _name(sent: Request | Action) -> str:
    name = getattr(sent, "name", "")
    return f"{_ACTIONS[name]} {sent.database}" if name in _ACTIONS else "running"


_ACTIONS = {
    "restore": "restoring",
    "branch": "copying",
    "create_database": "creating",
    "drop_database": "dropping",
    "rename_database": "renaming",
    "history": "reading the history of",
}


@contextmanager
def hidden() -> Iterator[None]:
    """Show nothing while this is open, for a question to the user."""
    if _current is None:
        yield
        return
    with _current.hidden():
        yield


def say(text: str) -> None:
    """Write a line to standard error, above the progress."""
    if _current is not None:
        _current.note(text)
    else:
        click.echo(_escape(text), err=True)


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def _displayed() -> Iterator[Display]:
    """Yield the display of the command; the outermost use has it drawn by a thread."""
    global _current  # noqa: PLW0603 - a process has one terminal
    if _current is not None:
        yield _current
        return
    display, is_over = Display(sys.stderr), threading.Event()
    threading.Thread(target=_draw, args=(display, is_over), name="sldb-progress", daemon=True).start()
    _current = display
    try:
        yield display
    finally:
        _current = None
        is_over.set()
        display.close()


def _draw(display: Display, is_over: threading.Event) -> None:
    while not is_over.wait(REDRAW_SECONDS):
        display.tick()


def _escape(text: str) -> str:
    from sldb.render.text import escape

    return escape(text)


def _clipped(text: str) -> str:
    """Return the text in the width of the terminal: a longer one would leave lines behind."""
    from sldb.render.text import width

    columns = (shutil.get_terminal_size().columns or 80) - 1
    if width(text) <= columns:
        return text
    while text and width(text) >= columns:
        text = text[:-1]
    return f"{text}…"


def _can_print(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
