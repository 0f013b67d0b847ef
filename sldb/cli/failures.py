"""Where errors become messages on standard error and exit statuses; see `sldb.cli.main` for the table."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

import click

from lambda_handlers.wire import SldbError
from sldb.cli.streams import terminal_columns

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
            # Keep the interpreter from flushing into the closed pipe at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case _:
            return _bug(error)


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return INTERRUPTED


def _bug(error: Exception) -> int:
    import traceback

    traceback.print_exception(type(error), error, error.__traceback__)
    print("error: this is a bug in sldb; the traceback above says where", file=sys.stderr)
    return BUG


def show(error: SldbError) -> None:
    """One line with what happened and the code, the place in the SQL where there is one, and what to do next."""
    from sldb.render.text import escape, escape_lines

    where = f"line {error.details['line']}: " if "line" in error.details else ""
    _say("error:", f"{where}{escape(error.message)} [{error.code}]", fg="red")
    for line in _place(error):
        click.echo(line, err=True)
    if error.hint:
        _say("hint:", escape_lines(error.hint))


def _say(label: str, message: str, fg: str | None = None) -> None:
    """One line; on a terminal folded between words."""
    folded = f"{label} {message}"
    if sys.stderr.isatty():
        import textwrap

        columns = terminal_columns()
        folded = textwrap.fill(folded, columns, break_long_words=False, break_on_hyphens=False)
    click.echo(click.style(label, fg=fg, bold=True) + folded[len(label) :], err=True)


def _place(error: SldbError) -> list[str]:
    """The line of SQL with a caret below the place that the error is about."""
    query = error.details.get("query")
    if not isinstance(query, str):
        return []
    offset = error.details.get("offset")
    if not isinstance(offset, int):
        offset = _guessed_offset(query, error.message)
    if offset is None:
        return []
    from sldb.render.caret import line_number, point

    label = f"  {line_number(query, offset)} │ " if "\n" in query.strip() else "  "
    columns = terminal_columns() if sys.stderr.isatty() else 120
    source, caret = point(query, offset, columns - len(label))
    return [label + source, " " * (len(label) - 2) + ("│ " if "│" in label else "  ") + caret]


_MISSING = re.compile(r"no such [a-z ]+: (?:\w+\.)?(\w+)|incomplete input")


def _guessed_offset(query: str, message: str) -> int | None:
    """The place of the name that SQLite says is missing; it gives no offset for tables, nor for an early end."""
    missing = _MISSING.fullmatch(message)
    if missing is None:
        return None
    if missing[1] is None:
        return len(query.rstrip())
    found = re.search(rf"\b{re.escape(missing[1])}\b", query, re.IGNORECASE)
    return found.start() if found else None
