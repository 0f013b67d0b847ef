"""Where a run goes to: the one place where `--target`, `--local`, `--stack`, their variables and the config become one
aim, which all commands share.

    lambda          the query function of the stack that is named, or of test-db
    lambda:NAME     this function; a stack that is named beside it must be its stack
    local:DIR       a directory; there is no stack

A target and a stack may come from different levels (the command line, the environment, the config). The nearer one
decides; on the same level, and where the stack is the nearer one, they must not contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lambda_handlers.wire import DEFAULT_STACK, SldbError
from sldb.config import LOCAL, Level, Setting
from sldb.stack.names import check_stack_name

LAMBDA = "lambda"


@dataclass(frozen=True, slots=True)
class Aim:
    directory: str | None = None  # of a local target; "": the default one; None: AWS
    stack: str | None = None  # None: a local target, or whichever stack `function` is of
    function: str | None = None  # None: the stack's own
    is_plain: bool = True  # the default, or a directory on the command line: needs no mention
    is_named: bool = field(default=False, compare=False)  # the stack, other than by default

    @property
    def is_local(self) -> bool:
        return self.directory is not None

    @property
    def place(self) -> str:
        """The aim in words, for messages."""
        if self.directory is not None:
            return f"{LOCAL}:{self.directory}" if self.directory else LOCAL
        return f"function {self.function}" if self.function else f"stack {self.stack}"

    def options(self) -> list[str]:
        """The options that a command needs to go there; none for the default stack, unless it was named."""
        if self.directory is not None:
            return ["--local", self.directory] if self.directory else ["--target", LOCAL]
        if self.function:
            return ["--target", f"{LAMBDA}:{self.function}"]
        return [] if self.stack == DEFAULT_STACK and not self.is_named else ["--stack", str(self.stack)]


def resolve(target: Setting, stack: Setting) -> Aim:
    """Return the aim of a run. Raises `bad_request` for a target that is none, and for a contradiction."""
    kind, colon, rest = target.value.partition(":")
    if kind not in (LAMBDA, LOCAL) or (colon and not rest):
        raise no_such_target(target.value)
    is_named = stack.level > Level.DEFAULT
    decides = is_named and stack.level >= target.level
    if kind == LOCAL:
        if decides:
            raise _contradiction(target, stack)
        return Aim(directory=rest, is_plain=target.level == Level.COMMAND_LINE)
    if rest and not decides:
        return Aim(function=rest, is_plain=False)
    check_stack_name(stack.value)
    is_plain = not rest and stack.value == DEFAULT_STACK
    return Aim(stack=stack.value, function=rest or None, is_plain=is_plain, is_named=is_named)


def no_such_target(text: str) -> SldbError:
    return SldbError(
        "bad_request",
        f"no such target: {text}",
        "a target is lambda, lambda:FUNCTION, local or local:DIRECTORY",
    )


def _contradiction(target: Setting, stack: Setting) -> SldbError:
    return SldbError(
        "bad_request",
        f"the target {target.value} ({target.source}) and the stack {stack.value} ({stack.source}) contradict each "
        "other: a directory is in no stack",
        "leave one of them out; --target lambda is the function of the stack",
    )
