"""The pager: the command in PAGER, or else less. It gets only text too long for the screen."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from sldb.render import text
from sldb.render.screen import PROMPT_LINES

LESS_OPTIONS = "RXF"  # colours, leave the text on the screen, leave by itself if it fits
LESS_CHOPS = "S"  # long lines, to scroll sideways
LESS_PROMPT = "q leaves, space turns the page, / searches?e (end).%t"  # in the notation of less


@dataclass(frozen=True, slots=True)
class Pager:
    out: TextIO  # the terminal
    command: Sequence[str]  # empty: there is none
    is_chosen: bool = True  # by the user, with its options

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], out: TextIO) -> Pager:
        """Return the pager named in the environment."""
        wish = environment.get("PAGER")
        if wish is not None:
            return cls(out, shlex.split(wish))
        return cls(out, ["less"] if shutil.which("less") else [], is_chosen=False)

    def show(self, shown: str, chops: bool = False) -> None:
        """Show the text, page by page if it does not fit. `chops`: its lines are to be scrolled sideways."""
        if not self.command or fits(shown, *shutil.get_terminal_size()) or not self._run(shown, chops):
            self.out.write(shown)
            self.out.flush()

    def _run(self, shown: str, chops: bool) -> bool:
        """Run the pager; return False if it cannot be started."""
        self.out.flush()
        options = f"-{LESS_OPTIONS}{LESS_CHOPS if chops else ''}"
        command = self.command if self.is_chosen else [*self.command, options, f"-Ps{LESS_PROMPT}"]
        environment = {"LESS": f"{options} -Ps{LESS_PROMPT}$", "LESSCHARSET": "utf-8", **os.environ}
        try:
            pager = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
        except OSError:
            return False
        with _ignoring_ctrl_c():
            try:
                pager.communicate(shown.encode(errors="backslashreplace"))
            except BrokenPipeError:  # it was left before the end
                pager.wait()
        return True


def fits(shown: str, columns: int, lines: int) -> bool:
    """Return True if the text fits on the screen with the prompt below it."""
    taken = 0
    for line in shown.splitlines():
        taken += max(1, -(-text.width(without_colour(line)) // max(columns, 1)))
        if taken > lines - PROMPT_LINES:
            return False
    return True


def without_colour(line: str) -> str:
    """Return the line without its escape sequences for colours."""
    pieces = line.split("\x1b[")
    return pieces[0] + "".join(piece.partition("m")[2] for piece in pieces[1:])


@contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Leave Ctrl-C to the pager."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
