"""The streams of a command: data to standard output in UTF-8, a screen if it is one, and who may be asked."""

from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

if TYPE_CHECKING:
    from sldb.render import Screen

DEFAULT_MAX_ROWS = 500


def open_closed_streams() -> None:
    """Open what the caller has closed of the three standard streams, as cron and systemd may: nothing comes in, and
    what goes out is dropped. Otherwise the next file or connection would get the number of the stream, and a message
    land in it. What cannot be said on standard error (a full disk, a reader that left) is dropped, too: it changes
    nothing of what was done."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _nothing(number))
    if not sys.stderr.isatty():
        raw = io.BufferedWriter(_Unfailing(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(raw, sys.stderr.encoding, "backslashreplace", line_buffering=True)


def _nothing(number: int) -> TextIO:
    """The null device as a standard stream, under its number if that is free."""
    opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if opened > number and not _is_open(number):
        os.dup2(opened, number)
        os.close(opened)
        opened = number
    return open(opened, "w" if number else "r", encoding="utf-8", closefd=False)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class _Unfailing(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def data_out() -> TextIO:
    """Standard output for data: UTF-8 and \\n wherever it is not a terminal, whatever the locale says."""
    out = sys.stdout
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        if out.isatty():
            reconfigure(errors="backslashreplace")  # a terminal that lacks a character is no reason to fail
        else:
            reconfigure(encoding="utf-8", errors="strict", newline="")
    return out


def bytes_out() -> BinaryIO:
    """Standard output for data that is bytes already."""
    return sys.stdout.buffer


def screen(max_rows: int = DEFAULT_MAX_ROWS) -> Screen | None:
    """The terminal that standard output is, if it is one."""
    if not sys.stdout.isatty():
        return None
    from sldb.render import Screen

    return Screen(terminal_columns(), color_is_wanted(), max_rows)


def color_is_wanted() -> bool:
    """By who looks at the terminal, if there is one."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, **style: Any) -> str:
    """For a terminal, with click's styles (fg, bold, dim); click takes them out again for files."""
    import click

    return click.style(text, **style) if color_is_wanted() else text


def terminal_columns() -> int:
    """80 where the terminal does not say; Python 3.10 takes its 0 at its word."""
    return shutil.get_terminal_size().columns or 80


def can_ask() -> bool:
    """Whether a question would be seen and could be answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def read_standard_input() -> str:
    """All of standard input, as UTF-8 whatever the locale says."""
    return sys.stdin.buffer.read().decode("utf-8-sig")
