"""`sldb destroy`: delete the stack and the bucket of bundles; the databases only where that is asked for.

The data bucket is kept by its deletion policy, and a later `sldb deploy` of the same name finds it again. Locks are
freed first, and once more if one was taken meanwhile: their VPC cannot go before them.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import states
from .bundles import BundleBucket, delete_bucket
from .cloud import Cloud, bucket_exists
from .deployment import Progress, failure
from .locks import free_all
from .parameters import check_stack_name
from .stack import Stack, StackState

_TRIES = 3  # a writer may take a lock while the stack is on its way out


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is to destroy."""

    stack: str
    state: StackState | None
    data_bucket: str | None  # None where there is no data
    bundle_bucket: str | None

    @property
    def nothing(self) -> bool:
        return self.state is None and self.bundle_bucket is None


def find(cloud: Cloud, name: str) -> Remains:
    """Raises `conflict` while somebody is changing the stack."""
    check_stack_name(name)
    state = Stack(cloud.cloudformation, name).describe()
    if state is not None and state.gone:
        state = None
    if state is not None:
        states.refuse_if_busy(name, state.status)
    data = (state.outputs.get("DataBucket") if state else None) or cloud.data_bucket(name)
    bundles = BundleBucket.of(cloud, name)
    return Remains(
        name,
        state,
        data if bucket_exists(cloud.s3, data, cloud.account) else None,
        bundles.name if bundles.exists() else None,
    )


def destroy(cloud: Cloud, remains: Remains, progress: Progress, *, delete_data: bool) -> None:
    """Raises OperationFailed with the reason if the stack cannot be deleted; nothing of the data is gone then."""
    if remains.state is not None:
        _delete_stack(cloud, remains.stack, remains.state, progress)
    if remains.bundle_bucket is not None:
        delete_bucket(cloud.s3, remains.bundle_bucket, cloud.account)
        progress.note(f"deleted the bucket of bundles {remains.bundle_bucket}")
    if delete_data and remains.data_bucket is not None:
        count = delete_bucket(cloud.s3, remains.data_bucket, cloud.account)
        progress.note(f"deleted {remains.data_bucket} with the {count} objects in it")


def _delete_stack(cloud: Cloud, name: str, state: StackState, progress: Progress) -> None:
    stack = Stack(cloud.cloudformation, name)
    vpc_id = state.outputs.get("LockVpc")
    for tries_left in reversed(range(_TRIES)):
        freed = free_all(cloud.ec2, name, vpc_id) if vpc_id else 0
        if freed:
            progress.note(f"freed {freed} abandoned lock{'s' if freed > 1 else ''}")
        after, events = stack.follow(stack.delete(state), progress.event)
        if after.gone:
            return
        in_the_way = any(event.failed and event.type == "AWS::EC2::VPC" for event in events)
        if not in_the_way or not tries_left:
            raise failure(name, after, events)
