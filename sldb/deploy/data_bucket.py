"""The data bucket of a stack: a new stack adopts the bucket of an earlier one of its name; versions of its objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sldb.aws.errors import OperationFailed
from sldb.deploy.bucket_tags import owner_of, ownership_problem
from sldb.deploy.versions import expire_temporary_objects, keep_versions
from sldb.report import count
from sldb.stack.ownership import TAG

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.bucket import Bucket
    from sldb.stack.state import StackState


def find_adopted(
    account: Account, stack: str, state: StackState | None, *, is_served: bool
) -> tuple[str, tuple[str, ...]]:
    """Return the parameter ExistingBucket and the notes about it: a stack keeps its bucket, a new stack adopts the one
    of an earlier stack. `state`: None for a new stack; `is_served`: its databases are in the bucket, not in a file
    system. Raises OperationFailed for a bucket of another stack."""
    adopted = state.adopted_bucket if state else ""
    if state is not None and not adopted:
        return "", ()
    bucket = account.data_bucket(stack, state)
    if not bucket.exists():
        return adopted, ()
    _refuse_if_foreign(bucket, stack)
    if adopted:
        return adopted, ()
    if is_served:
        note = f"found the data of an earlier stack in {bucket.name}: the databases in it, if there are any, will be "
        return bucket.name, (f"{note}served again",)
    return bucket.name, (f"found the bucket {bucket.name} of an earlier stack: databases in it stay, and are not used",)


def _refuse_if_foreign(bucket: Bucket, stack: str) -> None:
    """Raise OperationFailed unless a stack of this name left the bucket behind."""
    owner = owner_of(bucket)
    if owner == stack:
        return
    raise OperationFailed(
        f"refused: the bucket {bucket.name} does not belong to the stack {stack}: {ownership_problem(owner)}",
        "deploy another stack with --stack; or, if databases of sldb are in the bucket, give it the tag: "
        f"aws s3api put-bucket-tagging --bucket {bucket.name} --tagging 'TagSet=[{{Key={TAG},Value={stack}}}]'",
        applied="no",
    )


def set_versions(account: Account, stack: str, parameters: Mapping[str, str], *, is_asked_for: bool) -> str:
    """Set the bucket's versions as in the parameters, also if its settings were changed by hand, and in an adopted
    bucket the rule for open transactions; return a note for the user, empty if no versions changed. `is_asked_for`: by
    this deployment or the one before."""
    days, adopted = int(parameters["RecoverableDays"]), parameters["ExistingBucket"]
    if not (days or is_asked_for or adopted):
        return ""
    bucket = account.bucket(adopted) if adopted else account.data_bucket(stack)
    if adopted:
        expire_temporary_objects(bucket)
    if not keep_versions(bucket, days):
        return ""
    result = f"are kept for {count(days, 'day')}" if days else "are no longer kept"
    return f"objects deleted from {bucket.name} from now on: their versions {result}"
