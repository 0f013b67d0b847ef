"""The progress of a long operation on standard error: a bar on a terminal, with rate and time left; else notes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sldb.cli import messages

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from sldb.push_pull.transport import Progress


class _Lines:
    def begin(self, what: str, total_bytes: int) -> None: ...

    def advance(self, size_bytes: int) -> None: ...

    def note(self, text: str) -> None:
        messages.say(text)


class _Bar:
    """A bar that appears at the first step: a question may come before."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total_bytes: int) -> None:
        self._bars.start()
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(what, total=total_bytes)

    def advance(self, size_bytes: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, size_bytes)

    def note(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


@contextmanager
def show_progress() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    try:
        yield _Bar(bars)
    finally:
        bars.stop()
