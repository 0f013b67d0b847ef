"""Dot commands for the output: the format of results, and their file."""

from __future__ import annotations

from dataclasses import replace

from lambda_handlers.wire import SldbError
from sldb import render
from sldb.file_formats import format_of
from sldb.shell.commands.command import (
    one_of,
    optional_argument,
    optional_arguments,
    required_argument,
    whole_number,
)
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

# Names that sqlite3 has for formats, or for those that are most like them.
_NAMES = {
    "ascii": "tsv",
    "box": "table",
    "column": "table",
    "columns": "table",
    "line": "vertical",
    "lines": "vertical",
    "list": "tsv",
    "md": "markdown",
    "ndjson": "jsonl",
    "qbox": "table",
    "quote": "insert",
    "tabs": "tsv",
}


def mode(session: Session, command: DotCommand) -> None:
    name, table = optional_arguments(2, command)
    if name is not None:
        session.output.choose_format(_NAMES.get(name.lower(), name))
    if table is not None:
        if session.output.format != "insert":
            raise SldbError("bad_request", f".mode {name}: unexpected {table}", ".mode insert TABLE names the table")
        session.output.layout = replace(session.output.layout, table=table)
    session.output.say(f"results print as {session.output.format}; formats: {', '.join(render.FORMATS)}")


def vertical(session: Session, command: DotCommand) -> None:
    word = optional_argument(command)
    session.output.set_vertical(None if word is None else one_of(word, ("auto", "on", "off"), command))
    wide = "; what does not fit, vertically" if word == "auto" and session.output.format == "table" else ""
    session.output.say(f"results print as {session.output.format}{wide}")


def max_rows(session: Session, command: DotCommand) -> None:
    session.output.limit_rows(whole_number(required_argument(command), command))


def max_width(session: Session, command: DotCommand) -> None:
    word = required_argument(command)
    session.output.limit_width(None if word == "auto" else whole_number(word, command))


def pager(session: Session, command: DotCommand) -> None:
    word = optional_argument(command)
    turn_on = session.output.pages is False if word is None else one_of(word, ("on", "off"), command) == "on"
    session.output.pages = turn_on
    session.output.say(f"the pager is {'on' if turn_on else 'off'}")


def timing(session: Session, command: DotCommand) -> None:
    word = optional_argument(command)
    turn_on = not session.output.timing if word is None else one_of(word, ("on", "off"), command) == "on"
    session.output.timing = turn_on
    session.output.say(f"timing is {'on' if turn_on else 'off'}")


def output(session: Session, command: DotCommand) -> None:
    """Send results to a file, or back (`stdout`, as in sqlite3)."""
    name = optional_argument(command)
    _redirect(session, None if name == "stdout" else name, once=False)


def once(session: Session, command: DotCommand) -> None:
    _redirect(session, required_argument(command), once=True)


def _redirect(session: Session, name: str | None, *, once: bool) -> None:
    if name is not None and name.startswith("|"):
        raise SldbError("bad_request", f"results go to a file, not to a program: {name}", "sldb query SQL | program")
    if name is not None and format_of(name) == "sqlite":
        hint = f".backup {name} writes the database into it"
        raise SldbError("bad_request", f"{name} is named like a file in the format sqlite, and a result is none", hint)
    session.output.redirect(name, once=once)
    if name is not None and session.is_interactive:
        what = "the next result goes" if once else "results go"
        session.output.say(f"{what} to {name} as {session.output.current_format}", softly=True)
