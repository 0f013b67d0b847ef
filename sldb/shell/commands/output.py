"""Dot commands for the output: the format of results, and their file."""

from __future__ import annotations

from sldb import render
from sldb.shell.commands.command import one_of, optional_argument, required_argument, whole_number
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


def mode(session: Session, command: DotCommand) -> None:
    name = optional_argument(command)
    if name is not None:
        session.output.choose_format(name)
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
    session.output.redirect(optional_argument(command))


def once(session: Session, command: DotCommand) -> None:
    session.output.redirect(required_argument(command), once=True)
