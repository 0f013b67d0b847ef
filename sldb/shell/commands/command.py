"""A dot command: its spellings, help text, completion and function; and the checks of its arguments.

The table of commands is in `sldb.shell.commands.table`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from lambda_handlers.wire import MAX_TXID_DIGITS, SldbError
from lambda_handlers.wire.checks import MAX_COMMAND_CHARACTERS
from sldb.client import Client
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

Function: TypeAlias = "Callable[[Session, DotCommand], None]"


@dataclass(frozen=True, slots=True)
class Command:
    usage: str  # ".tables [LIKE]"
    other: str  # in psql's spelling, r"\dt [LIKE]", or empty
    meaning: str  # in the list of all commands
    run: Function
    argument_kind: str = ""  # for completion: see `sldb.shell.completion`
    also: tuple[str, ...] = ()  # further names
    more: str = ""  # further lines of `.help NAME`

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names as they are typed."""
        given = (self.usage, self.other) if self.other else (self.usage,)
        return (*(spelling.split()[0] for spelling in given), *(f".{name}" for name in self.also))

    @property
    def names(self) -> tuple[str, ...]:
        """The names without dot and backslash."""
        return tuple(dict.fromkeys(spelling[1:] for spelling in self.spellings))


def noted(client: Client, command: str) -> Client:
    """Return the client with the name of a command in the note of its writes."""
    return replace(client, note=replace(client.note, command=command[:MAX_COMMAND_CHARACTERS]))


def optional_argument(command: DotCommand) -> str | None:
    """Return the only argument, or None. Raises `bad_request` for several."""
    if len(command.arguments) > 1:
        extra = " ".join(command.arguments[1:])
        raise SldbError("bad_request", f".{command.name}: unexpected {extra}", 'a name with spaces needs quotes: "…"')
    return command.arguments[0] if command.arguments else None


def required_argument(command: DotCommand) -> str:
    """Return the only argument. Raises `bad_request` for none or several."""
    found = optional_argument(command)
    if found is None:
        raise SldbError("bad_request", f".{command.name} needs a name", f".help {command.name} explains it")
    return found


def optional_arguments(max_count: int, command: DotCommand) -> tuple[str | None, ...]:
    """Return `max_count` arguments, None for each that is missing. Raises `bad_request` for more."""
    if len(command.arguments) > max_count:
        extra = " ".join(command.arguments[max_count:])
        raise SldbError("bad_request", f".{command.name}: unexpected {extra}", f".help {command.name} explains it")
    return (*command.arguments, *[None] * (max_count - len(command.arguments)))


def whole_number(word: str, command: DotCommand) -> int:
    """Return the number. Raises `bad_request`."""
    if not word.isdecimal() or len(word) > MAX_TXID_DIGITS:
        raise SldbError("bad_request", f".{command.name}: got {word}, want a whole number")
    return int(word)


def one_of(word: str, choices: tuple[str, ...], command: DotCommand) -> str:
    """Return the word in lower case. Raises `bad_request` if it is none of the choices."""
    if word.lower() not in choices:
        want = " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
        raise SldbError("bad_request", f".{command.name}: got {word}, want {want}")
    return word.lower()
