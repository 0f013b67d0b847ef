"""Questions on the terminal before something is destroyed or created.

`sldb.operations.confirmation` and `sldb.database_creation` decide what is asked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import click

from sldb.cli import messages

create_option = click.option("--create", "creates", is_flag=True, help="Create the database if it is not there.")


@dataclass(slots=True)
class Asking:
    where: str  # the database, and of what
    undo: str  # the command that takes it back
    was_agreed: bool = False
    seconds: float = 0.0  # that the question stood

    def agree(self, question: str) -> bool:
        started = time.monotonic()
        messages.ask_about(self.where)
        messages.say(f"{question} Afterwards, {self.undo} takes it back.")
        self.was_agreed = click.confirm("Go on?", err=True, default=False)
        self.seconds += time.monotonic() - started
        return self.was_agreed


def to_create(question: str) -> bool:
    """Ask whether a database is to be created; Ctrl-C and Ctrl-D say no."""
    from sldb.render.text import escape

    try:
        return click.confirm(escape(question), err=True, default=False)
    except click.Abort:
        click.echo(err=True)
        return False
