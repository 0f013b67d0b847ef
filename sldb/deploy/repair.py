"""The repair of a stack by `sldb deploy`: before it works out the changes, and of a function's code, ignored by
CloudFormation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed, aws_errors
from sldb.deploy.progress import Progress, stack_failure
from sldb.stack.cloudformation import Stack
from sldb.stack.resource_change import FILE_SYSTEM

if TYPE_CHECKING:
    from sldb.deploy.losses import LossReport
    from sldb.stack.account import Account
    from sldb.stack.state import StackState


def repair_hint(report: LossReport) -> str:
    """Return the next step for the user after losses."""
    if report.data is None:
        return "`sldb deploy` repairs it"
    return "`sldb deploy --new-bucket` creates a new, empty one; `sldb push` restores databases from your copies"


def loss_notes(report: LossReport) -> tuple[str, ...]:
    """Return the notes for the user about losses, and about failed checks."""
    notes = tuple(
        f"{loss.says}: this {'creates a new, empty one' if loss.is_data else 'repairs it'}" for loss in report.losses
    )
    if not report.errors:
        return notes
    more = f" (and {len(report.errors) - 1} more)" if len(report.errors) > 1 else ""
    return (*notes, f"it could not be checked whether all resources exist: {report.errors[0].message}{more}")


def check_data(stack: str, report: LossReport, *, new_bucket: bool) -> None:
    """Raise OperationFailed if the data is gone and the user did not ask for a new bucket, `bad_request` if the user
    did and the data is there."""
    if report.data is None and new_bucket:
        raise SldbError("bad_request", f"--new-bucket is for a stack whose data bucket is gone: that of {stack} exists")
    if report.data is not None and report.data.logical_id == FILE_SYSTEM:
        hint = "restore it from AWS Backup; or sldb destroy, and sldb deploy for an empty one"
        raise OperationFailed(f"refused: {report.data.says}. No deployment brings them back", hint, applied="no")
    if report.data is not None and not new_bucket:
        raise OperationFailed(
            f"refused: {report.data.says}. No deployment brings them back", repair_hint(report), applied="no"
        )


def bucket_made(report: LossReport, state: StackState | None) -> str:
    """Return the parameter BucketMade. It changes with the replacement of a lost bucket: a container with pages of the
    old bucket would read from them, and commit transactions that do not fit into the new one."""
    if report.data is not None:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return state.parameters.get("BucketMade", "") if state else ""


def delete_remains(stack: Stack, state: StackState, progress: Progress, *, only_plan: bool) -> None:
    """Delete a stack whose creation failed: it can only be deleted. Raises OperationFailed if that fails."""
    reason = f"the stack {stack.name} was never created ({state.status})"
    if only_plan:
        hint = "`sldb deploy` deletes it and creates it again"
        raise OperationFailed(f"{reason}: there is nothing to plan against", hint)
    progress.note(f"{reason}: deleting its remains, then creating it again")
    after, events = stack.follow(stack.delete(state), progress.event)
    if not after.gone:
        raise stack_failure(stack.name, after, events)


def finish_rollback(
    stack: Stack, state: StackState, report: LossReport, progress: Progress, *, only_plan: bool
) -> None:
    """Finish the roll-back of a failed update, so that the stack can be updated: lost resources cannot be rolled back,
    and are skipped. Raises OperationFailed if that does not help."""
    reason = f"the last change of the stack {stack.name} failed, and so did its roll-back ({state.status})"
    if only_plan:
        hint = "`sldb deploy` finishes the roll-back first"
        raise OperationFailed(f"{reason}: there is nothing to plan against", hint)
    progress.note(f"{reason}: finishing that first")
    stuck = {each.logical_id for each in stack.resources() if each.status == "UPDATE_FAILED"}
    skipped = stuck & {loss.logical_id for loss in report.losses}
    after, events = stack.follow(stack.finish_rollback(state, skipped), progress.event)
    if after.status != "UPDATE_ROLLBACK_COMPLETE":
        raise stack_failure(stack.name, after, events)


def restore_code(account: Account, function: str, bucket: str, key: str, progress: Progress) -> None:
    """Install the bundle in a function again. CloudFormation cannot: it does not compare the code."""
    progress.note(f"installing the code of the function {function} again")
    client = account.functions
    with aws_errors(f"install the code of the function {function} again"):
        client.update_function_code(FunctionName=function, S3Bucket=bucket, S3Key=key)
        client.get_waiter("function_updated_v2").wait(FunctionName=function)
