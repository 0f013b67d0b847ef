"""What can be done with a stack in which state, and how it is. Pure: a CloudFormation status in, a decision, a verdict
or a clear error out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lambda_handlers.wire import DEFAULT_STACK, SldbError
from sldb.aws.errors import OperationFailed


class Step(Enum):
    CREATE = "create"
    UPDATE = "update"
    RECREATE = "delete what is left of it and create it"
    RESUME = "finish rolling it back, and update it"


@dataclass(frozen=True, slots=True)
class Health:
    state: str  # ok, warn or fail
    says: str
    next: str = ""  # what to do about it
    exists: bool = True  # whether it has come into being: functions, a bucket


_WORKING = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_TAKEN_BACK = ("UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")  # works, as it was before
_NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")  # can only be deleted
_STUCK = (
    "UPDATE_FAILED",
    "IMPORT_ROLLBACK_FAILED",
)  # by other tools: `sldb deploy` always rolls back, and imports nothing
_NOTHING = (None, "DELETE_COMPLETE", "REVIEW_IN_PROGRESS")


def command(verb: str, stack: str) -> str:
    """The command for a stack as a user types it."""
    return f"`sldb {verb}{'' if stack == DEFAULT_STACK else f' --stack {stack}'}`"


def anew(stack: str) -> str:
    """How to make all of a stack anew."""
    return f"{command('destroy', stack)}, then {command('deploy', stack)}, makes all of it anew: the databases stay"


def next_step(stack: str, status: str | None) -> Step:
    """How to deploy over a stack in this state; None is no stack. Raises SldbError where that must not be."""
    if status in _NOTHING:
        return Step.CREATE
    if status in _NEVER_MADE:
        return Step.RECREATE
    if status == "UPDATE_ROLLBACK_FAILED":
        return Step.RESUME
    refuse_if_busy(stack, status or "")
    if status == "DELETE_FAILED":
        raise OperationFailed(f"the stack {stack} is half deleted ({status})", f"run {command('destroy', stack)} again")
    if status in _STUCK:
        raise OperationFailed(
            f"the stack {stack} is stuck half-way ({status}), and was not brought there by sldb", anew(stack)
        )
    return Step.UPDATE


def refuse_if_busy(stack: str, status: str) -> None:
    """Raises `conflict` (exit status 75) while somebody else is changing the stack."""
    if is_busy(status):
        raise SldbError(
            "conflict",
            f"the stack {stack} is being changed right now ({status})",
            f"wait until it is done: {command('status', stack)}",
        )


def is_busy(status: str) -> bool:
    """Whether AWS is at work on it. It is not on a stack in review, whose first change set was never executed."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def health(stack: str, status: str, reason: str = "") -> Health:
    """How a stack in this state is, and what to do about it."""
    says = f"{status}: {reason}" if reason else status
    deploy = command("deploy", stack)
    if status in _WORKING:
        return Health("ok", says)
    if status in _TAKEN_BACK:
        return Health("warn", f"{says} (the last change of it failed, and was taken back)", f"{deploy} tries again")
    if status == "REVIEW_IN_PROGRESS":
        return Health("fail", f"{says}: it was prepared and never made", f"{deploy} makes it", exists=False)
    if status in _NEVER_MADE:
        return Health("fail", says, f"{deploy} deletes what is left of it and makes it anew", exists=False)
    if is_busy(status):
        exists = not status.startswith(("CREATE_", "ROLLBACK_", "DELETE_"))
        return Health("warn", f"{says}: AWS is at work on it", "look again when it is done", exists=exists)
    if status == "DELETE_FAILED":
        next_ = f"{command('destroy', stack)} finishes deleting it; then {deploy} makes it anew"
        return Health("fail", says, next_, exists=False)
    if status == "UPDATE_ROLLBACK_FAILED":
        return Health("fail", says, f"{deploy} finishes taking the failed change back, and goes on")
    return Health("fail", says, anew(stack))
