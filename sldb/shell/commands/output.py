"""Dot commands about how and where results print."""

from __future__ import annotations

from sldb import render
from sldb.shell.commands.command import argument, needed, one_of, whole_number
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


def mode(session: Session, command: DotCommand) -> None:
    name = argument(command)
    if name is not None:
        session.output.format = render.check_format(name)
    session.output.say(f"results print as {session.output.format}; there are {', '.join(render.FORMATS)}")


def vertical(session: Session, command: DotCommand) -> None:
    word = argument(command)
    session.output.turn(None if word is None else one_of(word, ("auto", "on", "off"), command))
    wide = "; what does not fit, vertically" if word == "auto" and session.output.format == "table" else ""
    session.output.say(f"results print as {session.output.format}{wide}")


def max_rows(session: Session, command: DotCommand) -> None:
    session.output.limit_rows(whole_number(needed(command), command))


def pager(session: Session, command: DotCommand) -> None:
    word = argument(command)
    turn_on = session.output.pages is False if word is None else one_of(word, ("on", "off"), command) == "on"
    session.output.pages = turn_on
    session.output.say(f"the pager is {'on' if turn_on else 'off'}")


def timing(session: Session, command: DotCommand) -> None:
    word = argument(command)
    turn_on = not session.output.timing if word is None else one_of(word, ("on", "off"), command) == "on"
    session.output.timing = turn_on
    session.output.say(f"timing is {'on' if turn_on else 'off'}")


def output(session: Session, command: DotCommand) -> None:
    session.output.redirect(argument(command))


def once(session: Session, command: DotCommand) -> None:
    session.output.redirect(needed(command), once=True)
