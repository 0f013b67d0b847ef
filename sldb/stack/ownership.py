"""The marks of sldb's own stacks: never the name alone, since another tool may have given it to its own. Pure.

A stack is ours if it has our parameters, and our description or our tag: both are in the response that every command
needs anyway, and stacks of earlier versions have them too. (If the response lacks the description, the template is
read.) A bucket is ours if it has our tag, from the template; `sldb.deploy.bucket_content` has the rest about buckets.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from lambda_handlers.shared.lock_holder import STACK_TAG
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from sldb.stack.state import StackState

TAG = STACK_TAG  # its value: the name of the stack
DESCRIPTION = "sldb: a relational database without a server."  # how the template's begins
PARAMETERS = frozenset({"FunctionName", "DeadlockFixFunctionName", "BundleBucket", "BundleKey", "LockKind"})


def is_ours(name: str, state: StackState) -> bool:
    """Return True if `sldb deploy` made the stack of this name, in this version or an earlier one."""
    is_marked = state.description.startswith(DESCRIPTION) or state.tags.get(TAG) == name
    return has_marks(state.parameters.keys(), is_marked=is_marked)


def has_marks(parameters: Set[str], *, is_marked: bool) -> bool:
    """Return True if a template with these parameters is ours; `is_marked`: so says its description or a tag."""
    return is_marked and parameters >= PARAMETERS


def not_ours(stack: str) -> SldbError:
    """Return the refusal to touch a stack of another tool."""
    return SldbError(
        "store_error",
        f"the stack {stack} is not sldb's, and is left unchanged",
        "give the name of another with --stack, or look elsewhere with --region or --profile",
    )


def no_such_stack(stack: str, region: str, account_id: str = "") -> SldbError:
    """Return the error for a missing stack."""
    place = f"{region}, account {account_id}" if account_id else region
    return SldbError(
        "store_error",
        f"there is no stack {stack} in {place}",
        "`sldb deploy` makes it; if it is elsewhere, give --stack, --region or --profile",
    )
