"""What a dot command is: its spellings, what it says of itself, what completes it, and what it does.

The list of them is in `sldb.shell.commands.registry`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lambda_handlers.wire import MOST_TXID_DIGITS, SldbError
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

Do: TypeAlias = "Callable[[Session, DotCommand], None]"


@dataclass(frozen=True, slots=True)
class Command:
    usage: str  # ".tables [LIKE]"
    other: str  # in psql's spelling, r"\dt [LIKE]", or empty
    meaning: str  # in the list of all
    do: Do
    completes: str = ""  # what its argument is: a kind of `sldb.shell.completion`
    also: tuple[str, ...] = ()  # further names
    more: str = ""  # what `.help NAME` says beside all that

    @property
    def spellings(self) -> tuple[str, ...]:
        """As they are typed."""
        given = (self.usage, self.other) if self.other else (self.usage,)
        return (*(spelling.split()[0] for spelling in given), *(f".{name}" for name in self.also))

    @property
    def names(self) -> tuple[str, ...]:
        """Without dot and backslash."""
        return tuple(dict.fromkeys(spelling[1:] for spelling in self.spellings))


def argument(command: DotCommand) -> str | None:
    """The one that there may be."""
    if len(command.arguments) > 1:
        extra = " ".join(command.arguments[1:])
        raise SldbError("bad_request", f".{command.name}: what is {extra}?", 'a name with spaces needs quotes: "…"')
    return command.arguments[0] if command.arguments else None


def needed(command: DotCommand) -> str:
    """The one that there must be."""
    found = argument(command)
    if found is None:
        raise SldbError("bad_request", f".{command.name} needs a name", f".help {command.name} tells more")
    return found


def at_most(most: int, command: DotCommand) -> tuple[str | None, ...]:
    """So many, None for those that are not there."""
    if len(command.arguments) > most:
        extra = " ".join(command.arguments[most:])
        raise SldbError("bad_request", f".{command.name}: what is {extra}?", f".help {command.name} tells more")
    return (*command.arguments, *[None] * (most - len(command.arguments)))


def whole_number(word: str, command: DotCommand) -> int:
    if not word.isdecimal() or len(word) > MOST_TXID_DIGITS:
        raise SldbError("bad_request", f".{command.name}: got {word}, want a whole number")
    return int(word)


def one_of(word: str, choices: tuple[str, ...], command: DotCommand) -> str:
    if word.lower() not in choices:
        want = " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
        raise SldbError("bad_request", f".{command.name}: got {word}, want {want}")
    return word.lower()
