"""The reports of a long operation on its progress. The operation does not know if they are shown.

`sldb.cli.progress` shows them on a terminal.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """The progress shown to the user."""

    @property
    def is_shown(self) -> bool:
        """True if there is a display: an estimate of the work is of no use without one."""

    def begin(self, what: str, **totals: int | None) -> None:
        """Begin a step of the work, such as "exporting users". `totals`: its units (rows, bytes, or any noun in the
        plural), each with the amount to be done, None if that is unknown."""

    def advance(self, **amounts: int) -> None:
        """Report so much more of each unit as done."""

    def note(self, text: str) -> None:
        """Print a line that stays."""


class Silent:
    """Progress without a display."""

    is_shown = False

    def begin(self, what: str, **totals: int | None) -> None: ...

    def advance(self, **amounts: int) -> None: ...

    def note(self, text: str) -> None: ...


SILENT: Progress = Silent()
