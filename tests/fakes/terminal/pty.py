"""A command on a terminal of its own: its output, and the keys typed into it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.terminal.command import running

# The line of progress, drawn and erased: on a busy machine any command may take so long as to show one.
_PROGRESS = re.compile(r"\r[^\r\n]*\x1b\[K")
PLAIN = {"TERM": "xterm", "NO_COLOR": "1"}


@dataclass(frozen=True, slots=True)
class Shown:
    status: int
    text: str  # both streams, as they came


def on_terminal(
    home: Path, *arguments: str, answers: Sequence[tuple[str, str]] = (), extra: Mapping[str, str] = PLAIN
) -> Shown:
    """Run the command to its end. `answers`: (the text to wait for, the keys to type then)."""
    import pty

    ours, theirs = pty.openpty()
    try:
        with running(home, arguments, (theirs, theirs, theirs), extra) as process:
            os.close(theirs)
            shown = _converse(ours, list(answers))
            return Shown(process.wait(60), _PROGRESS.sub("", shown.decode()).replace("\r\n", "\n"))
    finally:
        os.close(ours)


def _converse(terminal: int, answers: list[tuple[str, str]]) -> bytes:
    shown = b""
    seen = 0  # bytes before what the next answer waits for
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return shown
        if not piece:
            return shown
        shown += piece
        if answers and (found := shown.find(answers[0][0].encode(), seen)) >= 0:
            seen = found + 1
            os.write(terminal, answers.pop(0)[1].encode())
    raise AssertionError(f"no end after a minute: {shown!r}")
