"""The option --message: the reason for a write, which the history shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lambda_handlers.wire.checks import MAX_COMMAND_CHARACTERS, MAX_MESSAGE_CHARACTERS
from lambda_handlers.wire.note import Note

F = TypeVar("F", bound=Callable[..., Any])


def message_option(function: F) -> F:
    """Add -m, --message to a command that writes."""
    return click.option(
        "-m", "--message", metavar="TEXT", callback=_checked, help="The reason, which sldb history shows."
    )(function)


def note(message: str | None, command: str | None = None) -> Note:
    """Return the note of the transactions of a command. `command`: its name and what it is about, never values or
    SQL."""
    shown = None if command is None else "".join(one if one.isprintable() else "?" for one in command)
    return Note(message, shown[:MAX_COMMAND_CHARACTERS] if shown else None)


def _checked(_ctx: click.Context, _option: click.Parameter, message: str | None) -> str | None:
    if message is not None and not (0 < len(message) <= MAX_MESSAGE_CHARACTERS and message.isprintable()):
        raise click.BadParameter(f"want 1 to {MAX_MESSAGE_CHARACTERS} printable characters")
    return message
