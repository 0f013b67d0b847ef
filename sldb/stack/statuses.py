"""The statuses of a stack: the next step of a deployment, and the stack's health. Pure: a CloudFormation status in, a
decision, a verdict or a clear error out.

Hints name commands without the stack: the command line adds the options of the run (`Run.complete_commands`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed


class Step(Enum):
    CREATE = "create"
    UPDATE = "update"
    RECREATE = "delete its remains and create it again"
    RESUME = "finish its roll-back, and update it"


@dataclass(frozen=True, slots=True)
class Health:
    state: str  # ok, warn or fail
    says: str
    next: str = ""  # the next step for the user
    exists: bool = True  # the stack has been created: functions, a bucket


_WORKING = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_TAKEN_BACK = ("UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")  # works, as it was before
_NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")  # can only be deleted
# By other tools: `sldb deploy` always rolls back, and imports nothing.
_STUCK = ("UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED")
_NOTHING = (None, "DELETE_COMPLETE", "REVIEW_IN_PROGRESS")

REMAKE = "`sldb destroy`, then `sldb deploy`, creates all of it again: the databases stay"


def next_step(stack: str, status: str | None) -> Step:
    """Return the way to deploy over a stack in this state; None is no stack. Raises SldbError if nothing may be
    deployed now."""
    if status in _NOTHING:
        return Step.CREATE
    if status in _NEVER_MADE:
        return Step.RECREATE
    if status == "UPDATE_ROLLBACK_FAILED":
        return Step.RESUME
    refuse_if_busy(stack, status or "")
    if status == "DELETE_FAILED":
        raise OperationFailed(f"the stack {stack} is half deleted ({status})", "run `sldb destroy` again")
    if status in _STUCK:
        raise OperationFailed(f"the stack {stack} is stuck half-way ({status}), and not because of sldb", REMAKE)
    return Step.UPDATE


def refuse_if_busy(stack: str, status: str) -> None:
    """Raise `conflict` (exit status 75) while another process is changing the stack."""
    if is_busy(status):
        raise SldbError(
            "conflict",
            f"the stack {stack} is being changed right now ({status})",
            "wait until it is done: `sldb status`",
        )


def is_busy(status: str) -> bool:
    """Return True if AWS is working on the stack. It is not on a stack in review: its first change set was never
    executed."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def health(status: str, reason: str = "") -> Health:
    """Return the health of a stack in this state, and the next step."""
    says = f"{status}: {reason}" if reason else status
    if status in _WORKING:
        return Health("ok", says)
    if status in _TAKEN_BACK:
        said = f"{says} (its last change failed, and was rolled back)"
        return Health("warn", said, "`sldb deploy` tries again")
    if status == "REVIEW_IN_PROGRESS":
        said = f"{says}: it was prepared and never created"
        return Health("fail", said, "`sldb deploy` creates it", exists=False)
    if status in _NEVER_MADE:
        return Health("fail", says, "`sldb deploy` deletes its remains and creates it again", exists=False)
    if is_busy(status):
        exists = not status.startswith(("CREATE_", "ROLLBACK_", "DELETE_"))
        return Health("warn", f"{says}: AWS is changing it", "check again when it is done", exists=exists)
    if status == "DELETE_FAILED":
        step = "`sldb destroy` finishes deleting it; then `sldb deploy` creates it again"
        return Health("fail", says, step, exists=False)
    if status == "UPDATE_ROLLBACK_FAILED":
        return Health("fail", says, "`sldb deploy` finishes the roll-back of the failed change, and continues")
    return Health("fail", says, REMAKE)
