"""What can be done with a stack in which state. Pure: a CloudFormation status in, a decision or a clear error out."""

from __future__ import annotations

from enum import Enum

from lambda_handlers.wire import SldbError

from .failures import OperationFailed


class Step(Enum):
    CREATE = "create"
    UPDATE = "update"
    RECREATE = "delete what is left of it and create it"


_STUCK = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")  # never came into being: can only be deleted


def next_step(stack: str, status: str | None) -> Step:
    """How to deploy over a stack in this state; None is no stack."""
    if status in (None, "DELETE_COMPLETE", "REVIEW_IN_PROGRESS"):
        return Step.CREATE
    if status in _STUCK:
        return Step.RECREATE
    refuse_if_busy(stack, status or "")
    if status == "DELETE_FAILED":
        raise OperationFailed(
            f"the stack {stack} is half deleted ({status})", f"run `sldb destroy --stack {stack}` again first"
        )
    if status in ("UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED"):
        raise OperationFailed(
            f"the stack {stack} is stuck half-way back from a failed update ({status})",
            f"mend what its events name, run `aws cloudformation continue-update-rollback --stack-name {stack}`, "
            "and deploy again when that is done",
        )
    return Step.UPDATE


def refuse_if_busy(stack: str, status: str) -> None:
    """Raises `conflict` (exit status 75) while somebody else is changing the stack."""
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise SldbError(
            "conflict",
            f"the stack {stack} is being changed right now ({status})",
            f"wait until it is done: `sldb status --stack {stack}`",
        )
