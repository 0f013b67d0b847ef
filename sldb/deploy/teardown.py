"""`sldb destroy`: delete the stack and the bucket of bundles; the databases only where that is asked for.

Only what is ours goes. The data bucket is the one that the stack's template made or adopted, by its parameters and not
by its outputs, with the tag of the stack and nothing in it but databases; the bucket of bundles holds nothing but
bundles. All of that is looked at before anything is deleted.

The data bucket is kept by its deletion policy, and a later `sldb deploy` of the same name finds it again. Locks are
freed first, and once more if one was taken meanwhile: their VPC cannot go before them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sldb.aws.errors import OperationFailed
from sldb.deploy.buckets import BUNDLES, DATA, delete_bucket, left_alone, stack_of, stranger_in
from sldb.deploy.bundle_bucket import BundleBucket
from sldb.deploy.parameters import check_stack_name
from sldb.deploy.progress import Progress, failure
from sldb.stack import statuses
from sldb.stack.account import Account, bucket_exists
from sldb.stack.cloudformation import Stack
from sldb.stack.lock_groups import free_all
from sldb.stack.ownership import TAG
from sldb.stack.state import StackState

_TRIES = 3  # a writer may take a lock while the stack is on its way out


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is to destroy."""

    stack: str
    state: StackState | None
    data_bucket: str | None  # None where there is no data
    bundle_bucket: str | None
    kept: tuple[str, ...] = ()  # what looks like ours and is not, and why

    @property
    def nothing(self) -> bool:
        return self.state is None and self.bundle_bucket is None


def find(account: Account, name: str, *, delete_data: bool = False) -> Remains:
    """Raises `conflict` while the stack is being changed, `store_error` where it is none of ours, OperationFailed where
    the data is to be deleted and the bucket is none of ours, or not ours alone."""
    check_stack_name(name)
    state = Stack(account.cloudformation, name).describe_ours()
    if state is not None:
        statuses.refuse_if_busy(name, state.status)
    data = account.data_bucket_of(name, state)
    has_data = bucket_exists(account.s3, data, account.id)
    if has_data and delete_data:
        _refuse_to_delete_others(account, name, data)
    bundles = BundleBucket.of(account, name)
    bundle_bucket, kept = (bundles.name, "") if bundles.exists() else (None, "")
    if bundle_bucket and (stranger := bundles.stranger()):
        bundle_bucket, kept = None, f"the bucket {bundles.name} stays: it has {stranger}, which is none of this stack's"
    return Remains(name, state, data if has_data else None, bundle_bucket, (kept,) if kept else ())


def _refuse_to_delete_others(account: Account, name: str, bucket: str) -> None:
    owner = stack_of(account.s3, bucket, account.id)
    if owner != name:
        says = f"its tag {TAG} names the stack {owner}" if owner else f"it has no tag {TAG}"
        raise OperationFailed(
            f"refused: the bucket {bucket} is none of the stack {name}: {says}. Nothing was deleted",
            "`sldb destroy` without --delete-data takes down the stack and leaves the bucket as it is",
        )
    if stranger := stranger_in(account.s3, bucket, account.id, DATA):
        raise left_alone(bucket, stranger)


def destroy(account: Account, remains: Remains, progress: Progress, *, delete_data: bool) -> None:
    """Raises OperationFailed with the reason if the stack cannot be deleted; nothing of the data is gone then."""
    if remains.state is not None:
        _delete_stack(account, remains.stack, remains.state, progress)
    if remains.bundle_bucket is not None:
        delete_bucket(account.s3, remains.bundle_bucket, account.id, BUNDLES)
        progress.note(f"deleted the bucket of bundles {remains.bundle_bucket}")
    if delete_data and remains.data_bucket is not None:
        count = delete_bucket(account.s3, remains.data_bucket, account.id, DATA)
        progress.note(f"deleted {remains.data_bucket} with the {count} objects in it")


def _delete_stack(account: Account, name: str, state: StackState, progress: Progress) -> None:
    stack = Stack(account.cloudformation, name)
    vpc_id = state.outputs.get("LockVpc")
    for tries_left in reversed(range(_TRIES)):
        freed = free_all(account.ec2, name, vpc_id) if vpc_id else 0
        if freed:
            progress.note(f"freed {freed} abandoned lock{'s' if freed > 1 else ''}")
        after, events = stack.follow(stack.delete(state), progress.event)
        if after.gone:
            return
        in_the_way = any(event.failed and event.type == "AWS::EC2::VPC" for event in events)
        if not in_the_way or not tries_left:
            raise failure(name, after, events)
