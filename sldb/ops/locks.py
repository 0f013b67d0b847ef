"""The write locks of a deployed stack: the holder of a database's lock, and freeing exactly that lock.

A lock is freed by its id: one taken in the meantime stays. Freeing is always safe: the conditional commit decides, so a
writer whose lock was freed can never overwrite a later commit.

    security-group  id = group id: `sldb.stack.lock_groups`
    s3              id = owner: `sldb.stack.lock_objects`
    file            the file system's own: not seen and not freed from outside
    none            there are no locks

Their names, tags and fields are in `lambda_handlers.shared.lock_holder`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sldb.aws.errors import aws_errors
from sldb.aws.session import boto3_session
from sldb.stack.lock_groups import delete_lock_group, list_lock_groups
from sldb.stack.lock_objects import LockObjects
from sldb.stack.state import FILE_LOCKS
from sldb.targets.deployed_function import DeployedFunction

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_ec2 import EC2Client

    from lambda_handlers.shared.lock_holder import Holder
    from sldb.aws.options import AwsOptions


@dataclass(frozen=True, slots=True)
class LockPlace:
    """The place of a stack's locks, from the variables of its query function."""

    kind: str  # security-group, s3, file or none
    stack: str
    vpc_id: str | None
    bucket: str
    prefix: str  # of keys in the bucket, with its slash


class StackLocks:
    """The locks of a stack. Methods raise SldbError `store_error` if AWS fails or refuses, or the stack is missing."""

    def __init__(self, session: boto3.Session, place: LockPlace) -> None:
        self._session = session
        self.place = place

    def held(self, database: str) -> Holder | None:
        """Return the lock of the database, None if it is free, or one of files."""
        if self.place.kind in ("none", FILE_LOCKS):
            return None
        if self.place.kind != "security-group":
            return self._objects.holder(database)
        found = list_lock_groups(self._ec2, self.place.stack, self.place.vpc_id, database)
        return next(iter(found), None)

    def free(self, lock: Holder) -> bool:
        """Free this very lock; return False if it was gone already."""
        if lock.etag is not None:
            return self._objects.release(lock)
        return delete_lock_group(self._ec2, lock)

    def on_answer(self, note: Callable[..., None]) -> None:
        """Call `note` after each answer of AWS, with `http_response` and other names. To be set before the first."""
        self._session.events.register("after-call", note)

    @cached_property
    def _ec2(self) -> EC2Client:
        with aws_errors("look for locks"):
            return self._session.client("ec2")

    @cached_property
    def _objects(self) -> LockObjects:
        with aws_errors("look for locks"):
            return LockObjects(self._session.client("s3"), self.place.bucket, self.place.prefix)


def stack_locks(options: AwsOptions, stack: str) -> StackLocks:
    """Return the locks of a stack. Raises as `function_locks` does."""
    return function_locks(DeployedFunction(options, stack=stack))


def function_locks(function: DeployedFunction) -> StackLocks:
    """Return the locks that a query function takes, to free one: the function is looked up first. Raises SldbError
    `store_error` if there is no such function."""
    function.look_up()  # a lock is freed by hand rarely: this may cost a call
    return locks_of(function)


def locks_of(function: DeployedFunction) -> StackLocks:
    """Return the locks that a query function takes, by the function's own settings. Raises SldbError."""
    environment = function.environment()
    with aws_errors("find the locks"):
        session = boto3_session(function.aws)
    return StackLocks(session, _place(environment))


def _place(environment: Mapping[str, str]) -> LockPlace:
    store = environment["SLDB_STORE"]
    bucket, _, prefix = store.removeprefix("s3://").rstrip("/").partition("/")
    return LockPlace(
        kind=FILE_LOCKS if store.startswith("file:") else environment.get("SLDB_LOCK", "security-group"),
        stack=environment["SLDB_STACK"],
        vpc_id=environment.get("SLDB_VPC_ID") or None,
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
    )
