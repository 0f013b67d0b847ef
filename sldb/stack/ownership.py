"""The marks of a stack that is sldb's: never the name alone, which others may have given to theirs. Pure.

A stack is ours if it has our parameters, and our description or our tag: both are in the answer that every command
asks for anyway, and stacks of earlier versions have them too. (Where the answer lacks the description, the template is
asked for.) A bucket is ours if it has our tag, which the template
gives; `buckets` has the rest about those.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from lambda_handlers.shared.holder import STACK_TAG
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from sldb.stack.state import StackState

TAG = STACK_TAG  # its value: the name of the stack
DESCRIPTION = "sldb: a relational database without a server."  # how the template's begins
PARAMETERS = frozenset({"FunctionName", "DeadlockFixFunctionName", "BundleBucket", "BundleKey", "LockKind"})


def is_ours(name: str, state: StackState) -> bool:
    """Return whether `sldb deploy` made the stack of this name, this version or an earlier one."""
    says_so = state.description.startswith(DESCRIPTION) or state.tags.get(TAG) == name
    return has_marks(state.parameters.keys(), describes_us=says_so)


def has_marks(parameters: Set[str], *, describes_us: bool) -> bool:
    """Return whether a template with these parameters is ours; `describes_us`: so its description or a tag says."""
    return describes_us and parameters >= PARAMETERS


def not_ours(name: str) -> SldbError:
    """Return the refusal to touch a stack of others."""
    return SldbError(
        "store_error",
        f"the stack {name} is none of sldb's, and is left alone",
        "give the name of another with --stack, or look elsewhere with --region or --profile",
    )
