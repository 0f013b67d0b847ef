"""Where errors become messages on standard error and exit statuses; see `sldb.cli.main` for the table."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import click

from lambda_handlers.wire import SldbError
from sldb.cli.streams import styled, terminal_columns

INTERRUPTED, BUG = 130, 70


class ReaderLeft(Exception):  # nothing is wrong
    """Standard output is a pipe whose reader (head, less) has seen enough."""


def guard(action: Callable[[], object]) -> int:
    """Run `action`; whatever leaves it becomes one message and an exit status."""
    try:
        status = action()
        sys.stdout.flush()  # here, where a closed pipe is no traceback
        return status if isinstance(status, int) else 0
    except Exception as error:  # noqa: BLE001  # the one place where errors end
        return _failed(error)
    except KeyboardInterrupt:
        return _interrupted()


def _failed(error: Exception) -> int:
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort():
            return _interrupted()
        case click.ClickException():
            error.show()
            return error.exit_code
        case SldbError():
            show(error)
            return error.exit_code
        case ReaderLeft() | BrokenPipeError():
            _give_up_output()
            return 0
        case OSError(filename=str() | bytes() | os.PathLike()) | OSError(errno=errno.EMFILE | errno.ENFILE):
            refused = _refused_by_the_system(error)
            show(refused)
            return refused.exit_code
        case OSError() if error.errno in _CANNOT_WRITE:
            _give_up_output()
            print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
            return 1
        case _:
            return _bug(error)


def _refused_by_the_system(error: OSError) -> SldbError:
    """A file or directory that the system does not let be used, where no command has said so itself."""
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    hint = "look whether it is there, and may be read and written: HOME, TMPDIR and the XDG_ variables name such places"
    return SldbError("store_error", f"{where}{error.strerror}", hint)


_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _give_up_output() -> None:
    """Keep the interpreter from flushing at exit what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return INTERRUPTED


def _bug(error: Exception) -> int:
    import traceback

    traceback.print_exception(type(error), error, error.__traceback__)
    print("error: this is a bug in sldb; the traceback above says where", file=sys.stderr)
    return BUG


def show(error: SldbError) -> None:
    """One line with where it happened, what, and the code; the place in the SQL where there is one; what to do next."""
    from sldb.render.text import escape, escape_lines
    from sldb.write_outcome import message

    offset = _offset(error)
    _say("error:", f"{_where(error, offset)}{escape(message(error))} [{error.code}]", fg="red")
    for line in _place(error, offset):
        click.echo(line, err=True)
    if error.hint:
        _say("hint:", escape_lines(error.hint))


def _say(label: str, message: str, fg: str | None = None) -> None:
    """One line; on a terminal folded between words."""
    from sldb.render.text import fold

    said = f"{label} {message}"
    if sys.stderr.isatty():
        said = "\n".join(fold(line, terminal_columns()) for line in said.split("\n"))
    click.echo(styled(label, fg=fg, bold=True) + said[len(label) :], err=True)


def _where(error: SldbError, offset: int | None) -> str:
    """schema.sql:12:3: statement 4 of 9:"""
    from sldb.render.caret import column_number, line_number
    from sldb.render.text import escape

    details = error.details
    where = ""
    if "row_line" in details:  # of a file of parameters, with which the SQL itself was run
        return f"{escape(str(details['file']))}:{details['row_line']}: "
    if "file" in details:
        where = escape(str(details["file"])) + ":"
        if offset is not None:
            where += f"{line_number(details['query'], offset)}:{column_number(details['query'], offset)}:"
        where += " "
    elif "line" in details:
        where = f"line {details['line']}: "
    if details.get("statement_count", 1) > 1 and "statement" in details:
        where += f"statement {details['statement'] + 1:,} of {details['statement_count']:,}: "
    return where


def _place(error: SldbError, offset: int | None) -> list[str]:
    """The line of SQL with a caret below the place that the error is about."""
    if offset is None:
        return []
    from sldb.render.caret import line_number, point

    query = error.details["query"]
    label = f"  {line_number(query, offset)} │ " if "\n" in query.strip() else "  "
    columns = terminal_columns() if sys.stderr.isatty() else 120
    source, caret = point(query, offset, columns - len(label))
    return [label + source, " " * (len(label) - 2) + ("│ " if "│" in label else "  ") + caret]


def _offset(error: SldbError) -> int | None:
    """Characters into the SQL before the place that the error is about: of a word of it, else of its statement where
    there are several."""
    query, offset = error.details.get("query"), error.details.get("offset")
    if not isinstance(query, str):
        return None
    if isinstance(offset, int):
        return offset
    begins = error.details.get("begins")
    return begins if isinstance(begins, int) else None
