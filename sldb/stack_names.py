"""Names that follow from a stack's name, and commands in messages that name it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from lambda_handlers.wire import SldbError

DEFAULT_STACK = "test-db"
_STACK_NAME = re.compile(r"[a-z](-?[a-z0-9])*")
# A command of sldb as hints have it, up to the end of what belongs to it.
_COMMAND = re.compile(r"(?<![\w./-])sldb (?P<name>[a-z]+)(?P<rest>[^`;,.:()]*)")


def check_stack_name(stack: str) -> None:
    """Raise `bad_request` for what is no name: buckets and locks are named after the stack, in lower case only."""
    if not _STACK_NAME.fullmatch(stack):
        raise SldbError(
            "bad_request",
            f"--stack: got {stack!r}, want lower-case letters, digits and single hyphens, a letter first",
        )


def default_function(stack: str) -> str:
    """Return the name of the query function where `sldb deploy --function` gave no other."""
    return f"{stack}-function"


def with_options(text: str, commands: Sequence[str], options: Sequence[str]) -> str:
    """Return a message whose commands of sldb (those of `commands`) have these options, where they do not have them
    already: `sldb deploy makes it` becomes `sldb deploy --stack two makes it`."""
    if not options:
        return text

    def completed(match: re.Match[str]) -> str:
        name, rest = match["name"], match["rest"]
        words = rest.split()
        if name not in commands or any(option in words for option in options if option.startswith("--")):
            return match[0]
        return f"sldb {name} {shlex.join(options)}{rest}"

    return _COMMAND.sub(completed, text)
