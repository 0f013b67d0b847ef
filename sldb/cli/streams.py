"""The standard streams of a command: data in UTF-8, the screen, and the check whether a user can be asked."""

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
    """Open the standard streams closed by the caller, as cron and systemd may: input is empty, output is dropped.

    Otherwise the next file or connection would get the number of the stream, and a message land in it. A failed write
    to standard error (a full disk, a closed pipe) is dropped, too: it changes nothing about the work done.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _nothing(number))
    if not sys.stderr.isatty():
        sys.stderr = messages_to(sys.stderr.fileno(), sys.stderr.encoding)


def messages_to(number: int, encoding: str) -> TextIO:
    """Return a stream of text to an open file descriptor. A failed write is dropped."""
    # Without a buffer: it would keep the bytes of a write that Ctrl-C interrupts at its end, and write them twice.
    raw: Any = _Unfailing(number, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding, "backslashreplace", line_buffering=True)


def _nothing(number: int) -> TextIO:
    """Return the null device as a standard stream, under its number if free."""
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
        """Write all of it, as a buffer would."""
        left = memoryview(data)
        try:
            while left and (written := super().write(left)) is not None:
                left = left[written:]
        except OSError:
            pass
        return len(data)


def data_out() -> TextIO:
    """Return standard output for data: UTF-8 and \\n except on a terminal, in any locale."""
    out = sys.stdout
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        if out.isatty():
            reconfigure(errors="backslashreplace")  # a character that the terminal lacks is no reason to fail
        else:
            reconfigure(encoding="utf-8", errors="strict", newline="")
    return out


def bytes_out() -> BinaryIO:
    """Return standard output for bytes."""
    return sys.stdout.buffer


def screen(max_rows: int = DEFAULT_MAX_ROWS, max_width: int | None = None) -> Screen | None:
    """Return the terminal of standard output, if it is one."""
    if not sys.stdout.isatty():
        return None
    from sldb.render import Screen

    lines = shutil.get_terminal_size().lines or 24
    return Screen(terminal_columns(), color_is_wanted(), max_rows, lines=lines, max_width=max_width)


def color_is_wanted() -> bool:
    """Return False if the user of a terminal has switched colors off."""
    from sldb import theme  # few commands need it, and imports slow down their start

    return theme.color_is_wanted()


def styled(role: str, text: str) -> str:
    """Return text in the style of a role of `sldb.theme` for a terminal; click removes it again for files."""
    if not color_is_wanted():
        return text
    from sldb import theme

    return theme.in_use().paint(role, text)


def terminal_columns() -> int:
    """Return the width of the terminal; 80 if it reports none, as 0 in Python 3.10."""
    return shutil.get_terminal_size().columns or 80


def can_ask() -> bool:
    """Return True if a user could see and answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def read_standard_input() -> str:
    """Return all of standard input, as UTF-8 in any locale."""
    return sys.stdin.buffer.read().decode("utf-8-sig")


def refuse_empty_standard_input() -> None:
    """Raise UsageError if standard input ends before its first byte: the command before a pipe has probably failed."""
    import click

    source = getattr(sys.stdin, "buffer", None)
    if isinstance(source, io.BufferedReader) and not source.peek(1):
        raise click.UsageError("standard input is empty: there is nothing to run")
