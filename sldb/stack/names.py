"""What a stack may be named, and the names that follow from that."""

from __future__ import annotations

import re

from lambda_handlers.wire import SldbError

_STACK_NAME = re.compile(r"[a-z](-?[a-z0-9])*")


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
