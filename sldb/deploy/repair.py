"""What `sldb deploy` does about what is gone, before it works out the changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed, aws_errors
from sldb.deploy.losses import Survey
from sldb.deploy.progress import Progress, failure
from sldb.stack import statuses
from sldb.stack.cloudformation import Stack
from sldb.stack.state import StackState

if TYPE_CHECKING:
    from sldb.stack.account import Account


def cure(name: str, found: Survey) -> str:
    """What the user can do about what is gone."""
    if found.data is None:
        return f"{statuses.command('deploy', name)} mends it"
    new = statuses.command("deploy --new-bucket", name)
    return f"{new} makes a new, empty one; `sldb push` brings back what you have a copy of"


def check_data(name: str, found: Survey, *, asked_for_new: bool) -> None:
    """Raises OperationFailed where the data is gone and an empty bucket was not asked for, `bad_request` where one was
    and the data is there."""
    if found.data is None and asked_for_new:
        raise SldbError(
            "bad_request", f"--new-bucket is for a stack whose data bucket is gone: that of {name} is there"
        )
    if found.data is not None and not asked_for_new:
        raise OperationFailed(
            f"refused: {found.data.says}. No deployment brings them back",
            cure(name, found),
            applied="no",
        )


def bucket_made(found: Survey, state: StackState | None) -> str:
    """The parameter BucketMade. It changes with a bucket that takes the place of one that is gone: a container that
    went on with its pages of the old one would answer from them, and commit what does not fit into the new one."""
    if found.data is not None:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return state.parameters.get("BucketMade", "") if state else ""


def finish_rollback(stack: Stack, state: StackState, found: Survey, progress: Progress, *, only_plan: bool) -> None:
    """Bring a stack whose failed update could not be taken back to where it can be updated: what is gone cannot be
    rolled back, and is left out. Raises OperationFailed where that does not help."""
    why = f"the last change of the stack {stack.name} failed, and so did taking it back ({state.status})"
    if only_plan:
        deploy = statuses.command("deploy", stack.name)
        raise OperationFailed(f"{why}: there is nothing to plan against", f"{deploy} finishes taking it back first")
    progress.note(f"{why}: finishing that first")
    stuck = {each.logical_id for each in stack.resources() if each.status == "UPDATE_FAILED"}
    skipped = stuck & {loss.logical_id for loss in found.losses}
    after, events = stack.follow(stack.finish_rollback(state, skipped), progress.event)
    if after.status != "UPDATE_ROLLBACK_COMPLETE":
        raise failure(stack.name, after, events)


def restore_code(account: Account, function: str, bucket: str, key: str, progress: Progress) -> None:
    """Give a function the bundle again. CloudFormation cannot: it does not look at the code that a function has."""
    progress.note(f"giving the function {function} its code again")
    client = account.functions
    with aws_errors(f"give the function {function} its code again"):
        client.update_function_code(FunctionName=function, S3Bucket=bucket, S3Key=key)
        client.get_waiter("function_updated_v2").wait(FunctionName=function)


def told(found: Survey) -> tuple[str, ...]:
    """What the user should know of what is gone, and of what could not be looked for."""
    gone = tuple(
        f"{loss.says}: this {'makes a new, empty one' if loss.of_data else 'mends it'}" for loss in found.losses
    )
    if not found.unseen:
        return gone
    more = f" (and {len(found.unseen) - 1} more)" if len(found.unseen) > 1 else ""
    return (*gone, f"could not be checked whether all of it is there: {found.unseen[0].message}{more}")
