"""The line of progress on one terminal: drawn, replaced and erased. `sldb.cli.progress` says when."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from sldb.progress.step import Step

if TYPE_CHECKING:
    from sldb.progress.lock_watch import Wait

FIRST_SECONDS = 1.0  # of a step, without a line
RUNNING = "running"  # a step that has no better name
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
        self._wait: Wait | None = None  # for a lock, of the request that runs
        self._shows_from = 0.0
        self._is_drawn = False
        self._is_hidden = False
        self._ticks = 0

    @property
    def steps(self) -> int:
        return len(self._steps)

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
            self._write(f"{_folded(_escape(text))}\n")

    @contextmanager
    def waiting(self, wait: Wait) -> Iterator[None]:
        """Show this wait, if it is one, in place of the amounts of the step."""
        self._wait = wait
        try:
            yield
        finally:
            self._wait = None

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
        if self._wait is not None and (waits := self._wait.text(self._now())):
            begins = begins.removesuffix(f" {RUNNING}")
            return _clipped(f"{begins}{' · ' if ' ' in begins else ' '}{_escape(waits)}")
        if (part := step.part) is not None:
            full = int(part * _BAR_CELLS)
            begins += f" {bar[0] * full}{bar[1] * (_BAR_CELLS - full)}"
        return _clipped(" · ".join([begins, *step.phrases()]).replace(f"{bar[1]} · ", f"{bar[1]} "))


def _escape(text: str) -> str:
    from sldb.render.text import escape

    return escape(text)


def _folded(text: str) -> str:
    """Return the text in lines of the terminal, broken between words."""
    from sldb.render.text import fold

    return fold(text, shutil.get_terminal_size().columns or 80)


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
