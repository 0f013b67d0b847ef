"""`sldb destroy`: delete the stack and the bucket of bundles; the databases only on request.

Nothing but sldb's own is deleted. The data bucket is that of the stack's template, by its parameters and not by its
outputs, with the tag of the stack and only databases in it; the bucket of bundles has only bundles in it. All of that
is checked before anything is deleted.

The deletion policy keeps the data bucket, and a later `sldb deploy` of the same name finds it again, with the keys of
KMS that its objects may be encrypted with as tags. Locks are freed
first, and once more if one was taken meanwhile: their VPC cannot be deleted before them.

Its queues stay too, and are deleted afterwards if nothing is in them: messages are writes that have not run.

The callers of the stack's APIs lose their rights before the stack is deleted: they do not come back with a later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed
from sldb.deploy.bucket_content import BUNDLE_LAYOUT, DATA_LAYOUT, delete_bucket, find_foreign_key, not_deleted
from sldb.deploy.bucket_tags import keep_keys_of_objects, owner_of, ownership_problem
from sldb.deploy.bundle_bucket import BundleBucket
from sldb.deploy.caller_rights import CallerRights, delete_rights, find_rights
from sldb.deploy.lock_vpc import free_abandoned
from sldb.deploy.progress import Progress, stack_failure
from sldb.deploy.protection.options import all_keys
from sldb.deploy.queues.change import delete_empty, kept_notes
from sldb.deploy.storage.file_system import delete_file_system, file_systems
from sldb.deploy.storage.options import EFS, IN_NEW_NETWORK, S3, has_files, options_of
from sldb.report import count
from sldb.stack.account import Account
from sldb.stack.bucket import Bucket
from sldb.stack.cloudformation import Stack
from sldb.stack.lock_groups import list_lock_groups
from sldb.stack.names import check_stack_name
from sldb.stack.queues import QueueCounts, count_messages
from sldb.stack.state import StackState
from sldb.stack.statuses import refuse_if_busy

_TRIES = 3  # a writer may take a lock while the stack is being deleted


@dataclass(frozen=True, slots=True)
class TeardownPlan:
    """The existing parts of a stack."""

    stack: str
    state: StackState | None  # None: there is no stack
    data_bucket: Bucket | None  # None: there is no data
    bundle_bucket: Bucket | None
    kept: tuple[str, ...] = ()  # notes about what is not ours, or cannot be seen
    rights: CallerRights = field(default_factory=CallerRights)  # of the callers of its APIs
    queues: tuple[QueueCounts, ...] = ()
    file_systems: tuple[str, ...] = ()  # with databases

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to delete, apart from the data."""
        return self.state is None and self.bundle_bucket is None

    @property
    def has_nothing(self) -> bool:
        """True if there is no trace of a stack of this name: most likely the name, region or profile is wrong."""
        return self.is_empty and not self.has_data and not self.kept

    @property
    def has_data(self) -> bool:
        """True if there may be databases."""
        return self.data_bucket is not None or bool(self.file_systems)

    @property
    def places(self) -> str:
        """The places that may have databases, for people."""
        bucket = [f"s3://{self.data_bucket.name}"] if self.data_bucket else []
        return " and ".join([*bucket, *(f"the file system {name}" for name in self.file_systems)])

    def ways_back(self) -> Iterator[str]:
        """Yield what stays, each with the command that serves it again, for people."""
        parameters = self.state.parameters if self.state else {}
        in_files, files = parameters.get("Storage") == EFS, ", ".join(self.file_systems)
        if self.data_bucket and in_files:
            yield f"the bucket {self.data_bucket.name} stays, too"
        elif self.data_bucket:
            option = f" --storage {S3}" if files else ""  # to be chosen, as there are two stores
            yield f"the databases stay in s3://{self.data_bucket.name}: `sldb deploy{option}` serves them again,"
        if files and self.state and not in_files:
            yield f"the file system {files}, which the databases had left, stays, too"
        elif files:
            options = options_of(parameters) or IN_NEW_NETWORK
            yield f"the databases stay in the file system {files}: `sldb deploy {options}` serves them again,"


def plan_teardown(account: Account, stack: str, *, delete_data: bool = False) -> TeardownPlan:
    """Return the existing parts of the stack. Raises `conflict` while another process changes it, `store_error` if it
    is not sldb's, OperationFailed if the data is to be deleted and the bucket is not ours, or not ours alone."""
    check_stack_name(stack)
    state = Stack(account.cloudformation, stack).describe_ours()
    if state is not None:
        refuse_if_busy(stack, state.status)
    data = account.data_bucket(stack, state)
    has_data = data.exists()
    if has_data and delete_data:
        _refuse_to_delete_foreign(data, stack)
    bundles, note = _find_bundles(account, stack)
    kept = data if has_data else None
    rights = find_rights(account, stack, state, kept) if state else CallerRights()
    queues = count_messages(account.queues, state.outputs) if state else ()
    files, unseen = _find_files(account, stack, state, delete_data=delete_data)
    return TeardownPlan(stack, state, kept, bundles, tuple(filter(None, (note, unseen))), rights, queues, files)


def _find_files(
    account: Account, stack: str, state: StackState | None, *, delete_data: bool
) -> tuple[tuple[str, ...], str]:
    """Return the file systems of the stack, and a note if they cannot be seen: a user without rights to EFS can still
    take down a stack that has no databases there."""
    try:
        return tuple(each["FileSystemId"] for each in file_systems(account, stack)), ""
    except SldbError as error:
        if delete_data or state is None or has_files(state.parameters):
            raise
        return (), f"it is not known whether databases were left in a file system: {error.message}"


def _find_bundles(account: Account, stack: str) -> tuple[Bucket | None, str]:
    """Return the bucket of bundles, if it exists and is ours; else a note, empty if it does not exist."""
    bundles = BundleBucket.of(account, stack)
    if not bundles.bucket.exists():
        return None, ""
    if foreign := bundles.foreign_content():
        return None, f"the bucket {bundles.name} stays: it has {foreign}, which does not belong to this stack"
    return bundles.bucket, ""


def _refuse_to_delete_foreign(bucket: Bucket, stack: str) -> None:
    owner = owner_of(bucket)
    if owner != stack:
        raise OperationFailed(
            f"refused: the bucket {bucket.name} does not belong to the stack {stack}: {ownership_problem(owner)}. "
            "Nothing was deleted",
            "`sldb destroy` without --delete-data takes down the stack and leaves the bucket as it is",
        )
    if foreign := find_foreign_key(bucket, DATA_LAYOUT):
        raise not_deleted(bucket.name, foreign)


def tear_down(account: Account, plan: TeardownPlan, progress: Progress, *, delete_data: bool) -> None:
    """Delete the stack and its buckets. Raises OperationFailed with the reason if the stack cannot be deleted: the data
    is still there then."""
    delete_rights(account, plan.rights, progress)
    if plan.state is not None:
        if plan.data_bucket is not None and not delete_data:
            keep_keys_of_objects(plan.data_bucket, all_keys(plan.state.parameters))
        _delete_stack(account, plan.stack, plan.state, progress)
        for note in kept_notes(delete_empty(account, plan.queues)):
            progress.note(note)
    if plan.bundle_bucket is not None:
        delete_bucket(plan.bundle_bucket, BUNDLE_LAYOUT)
        progress.note(f"deleted the bucket of bundles {plan.bundle_bucket.name}")
    if delete_data and plan.data_bucket is not None:
        objects = delete_bucket(plan.data_bucket, DATA_LAYOUT)
        progress.note(f"deleted {plan.data_bucket.name} with {count(objects, 'object')} in it")
    for name in plan.file_systems if delete_data else ():
        delete_file_system(account, name)
        progress.note(f"deleted the file system {name}; its backups in AWS Backup stay until they expire")


def _delete_stack(account: Account, name: str, state: StackState, progress: Progress) -> None:
    stack = Stack(account.cloudformation, name)
    for tries_left in reversed(range(_TRIES)):
        if state.lock_vpc:  # a VPC that holds groups cannot be deleted
            free_abandoned(account.ec2, list_lock_groups(account.ec2, name, state.lock_vpc), progress)
        after, events = stack.follow(stack.delete(state), progress.event)
        if after.gone:
            return
        in_the_way = any(event.failed and event.type == "AWS::EC2::VPC" for event in events)
        if not in_the_way or not tries_left:
            raise stack_failure(name, after, events)
