"""The questions on a terminal: before data is destroyed, and before a database is created.

`sldb.actions.confirmation` and `sldb.database_creation` decide whether a question is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from sldb.cli import messages, progress

F = TypeVar("F", bound=Callable[..., Any])


def yes_option(meaning: str = "Do not ask.") -> Callable[[F], F]:
    """Decorate a command that asks with the option that answers."""
    return click.option("-y", "--yes", is_flag=True, help=meaning)


create_option = click.option("--create", "creates", is_flag=True, help="Create the database if it does not exist.")


@dataclass(slots=True)
class Question:
    """The question of one command, and the time until its answers."""

    where: str  # the database and its place
    undo: str  # the command that reverts the change
    was_confirmed: bool = False
    seconds: float = 0.0  # from the question to the answer

    def confirm(self, sentence: str) -> bool:
        """Ask for a yes to the sentence on the data to destroy."""
        started = time.monotonic()
        messages.say_subject(self.where)
        messages.say(f"{sentence} Afterwards, {self.undo} reverts it.")
        with progress.hidden():
            self.was_confirmed = click.confirm("Go on?", err=True, default=False)
        self.seconds += time.monotonic() - started
        return self.was_confirmed


def confirm_creation(question: str) -> bool:
    """Ask for a yes to the creation of a database; Ctrl-C and Ctrl-D answer no."""
    from sldb.render.text import escape

    try:
        with progress.hidden():
            return click.confirm(escape(question), err=True, default=False)
    except click.Abort:
        click.echo(err=True)
        return False
