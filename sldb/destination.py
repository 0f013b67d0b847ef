"""The destination of a run: `--target`, `--local`, `--stack`, their variables and the config, resolved in one place.

    lambda          the query function of the named stack, or of test-db
    lambda:NAME     this function; a stack given beside it must be its stack
    local:DIR       a directory; there is no stack

A target and a stack may come from different levels (the command line, the environment, the config). The nearer one
decides; on the same level, or with the stack nearer, they must not contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lambda_handlers.shared.did_you_mean import closest, question
from lambda_handlers.wire import DEFAULT_STACK, SldbError
from sldb.config.settings import LOCAL, Level, Setting
from sldb.stack.names import check_stack_name

LAMBDA = "lambda"


@dataclass(frozen=True, slots=True)
class Destination:
    directory: str | None = None  # of a local target; "": the default one; None: AWS
    stack: str | None = None  # None: a local target, or the unknown stack of `function`
    function: str | None = None  # None: the stack's own
    is_evident: bool = True  # the default, or a directory on the command line: needs no mention
    is_named: bool = field(default=False, compare=False)  # the stack, other than by default

    @property
    def is_local(self) -> bool:
        return self.directory is not None

    @property
    def place(self) -> str:
        """The destination in words, for messages."""
        if self.directory is not None:
            return f"{LOCAL}:{self.directory}" if self.directory else LOCAL
        return f"function {self.function}" if self.function else f"stack {self.stack}"

    def options(self) -> list[str]:
        """Return the options of a command to the same destination; none for the default stack, unless it was named."""
        if self.directory is not None:
            return ["--local", self.directory] if self.directory else ["--target", LOCAL]
        if self.function:
            return ["--target", f"{LAMBDA}:{self.function}"]
        return [] if self.stack == DEFAULT_STACK and not self.is_named else ["--stack", str(self.stack)]


def resolve(target: Setting, stack: Setting) -> Destination:
    """Return the destination of a run. Raises `bad_request` for an unknown target, and for a contradiction."""
    kind, colon, rest = target.value.partition(":")
    if kind not in (LAMBDA, LOCAL) or (colon and not rest):
        raise no_such_target(target.value)
    is_named = stack.level > Level.DEFAULT
    stack_decides = is_named and stack.level >= target.level
    if kind == LOCAL:
        if stack_decides:
            raise _contradiction(target, stack)
        return Destination(directory=rest, is_evident=target.level == Level.COMMAND_LINE)
    if rest and not stack_decides:
        return Destination(function=rest, is_evident=False)
    check_stack_name(stack.value)
    is_evident = not rest and stack.value == DEFAULT_STACK
    return Destination(stack=stack.value, function=rest or None, is_evident=is_evident, is_named=is_named)


def no_such_target(text: str) -> SldbError:
    kind, colon, rest = text.partition(":")
    like = question(f"{each}{colon}{rest}" for each in closest(kind, (LAMBDA, LOCAL)))
    return SldbError(
        "bad_request",
        f"no such target: {text}",
        f"{like} a target is lambda, lambda:FUNCTION, local or local:DIRECTORY".lstrip(),
    )


def _contradiction(target: Setting, stack: Setting) -> SldbError:
    return SldbError(
        "bad_request",
        f"the target {target.value} ({target.source}) and the stack {stack.value} ({stack.source}) contradict each "
        "other: a directory is in no stack",
        "leave one of them out; --target lambda is the function of the stack",
    )
