"""The commands of sldb in the text of messages and hints, and the options that they need to reach the same stack."""

from __future__ import annotations

import re
from collections.abc import Sequence

# The commands of sldb that go to a stack.
STACK_COMMANDS = tuple(
    """backup branch cost databases deploy destroy diff doctor dump export history import insights
    logs migrate migrate-storage pull push query queue restore result shell status token undo redo unlock""".split()  # noqa: SIM905 - reads better
)
# A command in a message, with its options and arguments.
# Compiled when it is first used: most replies, those of cold starts among them, have no hint.
_COMMAND = rf"(?<![\w./-])sldb (?P<name>{'|'.join(STACK_COMMANDS)})(?![\w-])(?P<rest>[^`;,.:()]*)"
_PLACES = {"--stack", "--target", "--local"}  # one of them selects the stack of a command


def with_options(text: str, options: Sequence[str]) -> str:
    """Add options (each with its value) to the commands of sldb in a message, unless they have them already.

    `sldb deploy makes it` becomes `sldb deploy --stack two makes it`."""

    def completed(match: re.Match[str]) -> str:
        words = set(match["rest"].split())
        given = words | _PLACES if words & _PLACES else words
        pairs = zip(options[::2], options[1::2], strict=True)
        missing = [word for pair in pairs if pair[0] not in given for word in pair]
        return " ".join(("sldb", match["name"], *missing)) + match["rest"]

    return re.sub(_COMMAND, completed, text) if options else text
