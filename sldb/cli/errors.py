"""The end of all errors: messages on standard error, and exit statuses; see `sldb.cli.main` for the table."""

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
    """The reader of standard output (head, less) has closed its pipe."""


def guard(action: Callable[[], object]) -> int:
    """Run `action` and return its exit status; an exception becomes one message and a status."""
    try:
        status = action()
        sys.stdout.flush()  # inside the guard, a closed pipe causes no traceback
        return status if isinstance(status, int) else 0
    except Exception as error:  # noqa: BLE001  # the end of all errors
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
    """Return the error for a file or directory refused by the system, if the command itself has none."""
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    hint = "check that it exists, and can be read and written: HOME, TMPDIR and the XDG_ variables name such places"
    return SldbError("store_error", f"{where}{error.strerror}", hint)


_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _give_up_output() -> None:
    """Redirect standard output, so that the interpreter does not flush into it at exit."""
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
    """Write an error: one line with place, message and code; its place in the SQL, if any; and the hint."""
    from sldb.render.text import escape, escape_lines
    from sldb.write_outcome import message

    offset = _offset(error)
    _write_line("error", "error:", f"{_where(error, offset)}{escape(message(error))} [{error.code}]")
    for line in _place(error, offset):
        click.echo(line, err=True)
    if error.hint:
        _write_line("label", "hint:", escape_lines(error.hint))


def _write_line(role: str, label: str, message: str) -> None:
    """Write one line; on a terminal folded between words, with its label in the colour of the role."""
    from sldb.render.text import fold

    line = f"{label} {message}"
    if sys.stderr.isatty():
        line = "\n".join(fold(part, terminal_columns()) for part in line.split("\n"))
    click.echo(styled(role, label) + line[len(label) :], err=True)


def _where(error: SldbError, offset: int | None) -> str:
    """Return the place of an error, such as "schema.sql:12:3: statement 4 of 9: "."""
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
        in_script = "script" in details  # a file, not standard input
        where = f"{escape(str(details['script']))}:{details['line']}: " if in_script else f"line {details['line']}: "
    if details.get("statement_count", 1) > 1 and "statement" in details:
        where += f"statement {details['statement'] + 1:,} of {details['statement_count']:,}: "
    return where


def _place(error: SldbError, offset: int | None) -> list[str]:
    """Return the line of SQL with the error, and a line with a caret below its place."""
    if offset is None:
        return []
    from sldb.render.caret import line_number, point

    query = error.details["query"]
    line = line_number(query, offset) + error.details.get("line", 1) - 1  # of the script, if it is in one
    label = f"  {line} │ " if "\n" in query.strip() else "  "
    columns = terminal_columns() if sys.stderr.isatty() else 120
    source, caret = point(query, offset, columns - len(label))
    return [label + source, " " * (len(label) - 2) + ("│ " if "│" in label else "  ") + caret]


def _offset(error: SldbError) -> int | None:
    """Return the offset of the error in the SQL, in characters: of a word, else of its statement if several."""
    query, offset = error.details.get("query"), error.details.get("offset")
    if not isinstance(query, str):
        return None
    if isinstance(offset, int):
        return offset
    begins = error.details.get("begins")
    return begins if isinstance(begins, int) else None
