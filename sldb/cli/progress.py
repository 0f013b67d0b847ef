"""The progress of whatever takes more than a second, as one line on a terminal. This module alone draws it.

    ⠹ exporting users ━━━━━━━━━━────── 412,000 rows · 34.1 MB · 98,000 rows/s · 2 s left

The line appears a second after the beginning of a step, below all other output, and is erased at its end, also after
an error or Ctrl-C. It is drawn on standard error if that is a terminal, and never into a file or a pipe. `say` prints
lines that stay; a question is asked while the line is `hidden`.

Displays do not nest: a `show` within another one adds a step to the line.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from sldb.progress.display import RUNNING, Display
from sldb.progress.protocol import Progress

if TYPE_CHECKING:
    from lambda_handlers.wire import Action, Request
    from sldb.progress.lock_watch import Look, Wait

REDRAW_SECONDS = 0.1


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
def show_request(sent: Request | Action, look: Look | None = None) -> Iterator[None]:
    """Show a request while this is open: that it runs, unless a step of the command says more, and its wait for the
    lock. `look`: at the lock of its database."""
    try:
        with _shown_request(sent, look):
            yield
    except KeyboardInterrupt:
        if getattr(sent, "name", "") in _CONTINUED:
            say("stopped waiting; the same command again finds what was done, and goes on from there")
        raise


@contextmanager
def _shown_request(sent: Request | Action, look: Look | None) -> Iterator[None]:
    # Requests of other threads run beside those of the main one, or behind a prompt.
    if not _is_terminal() or threading.current_thread() is not threading.main_thread():
        yield
        return
    with _displayed() as display, nullcontext() if display.steps else display.step(_name(sent)):
        if look is None:
            yield
            return
        with _watched(sent, look) as wait, display.waiting(wait):
            yield


@contextmanager
def _watched(sent: Request | Action, look: Look) -> Iterator[Wait]:
    """Yield the wait of a request for its lock, watched by a thread that ends with this."""
    from sldb.progress import lock_watch

    wait, is_over = lock_watch.Wait(), threading.Event()
    arguments = (sent, look, wait, is_over.wait, time.monotonic)
    threading.Thread(target=lock_watch.watch, args=arguments, name="sldb-lock", daemon=True).start()
    try:
        yield wait
    finally:
        is_over.set()


def _name(sent: Request | Action) -> str:
    name = getattr(sent, "name", "")
    return f"{_ACTIONS[name]} {sent.database}" if name in _ACTIONS else RUNNING


_CONTINUED = ("restore", "branch", "rename_database", "push_commit")  # a repetition finds its earlier effect
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
        click.echo(_folded(_escape(text)) if sys.stderr.isatty() else _escape(text), err=True)


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


def _folded(text: str) -> str:
    """Return a line in lines of the terminal, broken between words."""
    from sldb.cli.streams import terminal_columns
    from sldb.render.text import fold

    return fold(text, terminal_columns())


def _escape(text: str) -> str:
    from sldb.render.text import escape

    return escape(text)
