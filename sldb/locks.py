"""The write locks of a deployed stack, seen and freed from outside.

What the locks are is `lambda_handlers.locks`' business; here is only what `sldb unlock` and `sldb status` need: find
the lock of a database, and free exactly the lock that was seen, by its id, so that one that was taken in the
meantime stays. Freeing is always safe: the conditional commit decides, so a writer whose lock was freed can never
overwrite what others have committed since.

    security-group  group `sldb-lock-…` with the tags sldb:stack, sldb:database, CreateTime, Owner and sldb:doing;
                    id = group id. Found by its tags: earlier versions named some of them otherwise
    s3              object `<store>/<database>/lock.json`; id = owner, freed by a replace on condition of its ETag
    none            there are no locks
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.deploy.failures import aws_errors
from sldb.held_lock import HeldLock, fields_of, of_group, of_object, released
from sldb.targets.aws_session import boto3_session
from sldb.targets.protocol import AwsOptions

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True, slots=True)
class LockPlace:
    """Where the locks of a stack are: as its query function is set up."""

    kind: str  # security-group, s3 or none
    stack: str
    vpc_id: str | None
    bucket: str
    prefix: str  # of keys in the bucket, with its slash


class StackLocks:
    """Raises SldbError `store_error` where AWS does not answer, or refuses, or there is no such stack."""

    def __init__(self, session: boto3.Session, place: LockPlace) -> None:
        self._session = session
        self.place = place

    def held(self, database: str) -> HeldLock | None:
        """The lock of the database, or None if nobody has it."""
        if self.place.kind == "none":
            return None
        with aws_errors(f"look for the lock of {database}"):
            return self._group(database) if self.place.kind == "security-group" else self._object(database)

    def free(self, lock: HeldLock) -> bool:
        """Free this very lock; False if it was gone already."""
        with aws_errors(f"free the lock of {lock.database}"):
            return self._delete_group(lock) if lock.etag is None else self._release_object(lock)

    def _group(self, database: str) -> HeldLock | None:
        filters = {"tag:sldb:stack": self.place.stack, "tag:sldb:database": database}
        if self.place.vpc_id:
            filters["vpc-id"] = self.place.vpc_id
        found = self._session.client("ec2").describe_security_groups(
            Filters=[{"Name": name, "Values": [value]} for name, value in filters.items()]
        )["SecurityGroups"]
        return next((of_group(group) for group in found if group["GroupName"].startswith("sldb-lock-")), None)

    def _delete_group(self, lock: HeldLock) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._session.client("ec2").delete_security_group(GroupId=lock.lock_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidGroup.NotFound":
                return False
            raise
        return True

    def _object(self, database: str) -> HeldLock | None:
        body, etag = self._read_object(database)
        return of_object(database, body, etag)

    def _read_object(self, database: str) -> tuple[bytes, str]:
        """The lock object (empty if there is none) and its ETag."""
        from botocore.exceptions import ClientError

        try:
            answer = self._session.client("s3").get_object(Bucket=self.place.bucket, Key=self._key(database))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return b"", ""
            raise
        return answer["Body"].read(), answer["ETag"]

    def _release_object(self, lock: HeldLock) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._session.client("s3").put_object(
                Bucket=self.place.bucket,
                Key=self._key(lock.database),
                Body=released(lock, time.time()),
                IfMatch=str(lock.etag),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "NoSuchKey", "404", "412"):
                raise
            # boto3 sends again what got no answer, and the second may meet the first.
            return fields_of(lock.database, self._read_object(lock.database)[0]).get("released") == lock.lock_id
        return True

    def _key(self, database: str) -> str:
        return f"{self.place.prefix}{database}/lock.json"


def stack_locks(options: AwsOptions, stack: str, function: str | None = None) -> StackLocks:
    """The locks that the stack's query function (or the function of this name) uses.

    Raises SldbError `store_error` with what to do next where there is none.
    """
    with aws_errors(f"find the locks of stack {stack}"):
        session = boto3_session(options)
        function = function or _function_of(session, stack)
        environment = _environment_of(session, function)
    return StackLocks(session, _place(environment, function))


def _function_of(session: boto3.Session, stack: str) -> str:
    from sldb.deploy.stack import Stack

    state = Stack(session.client("cloudformation"), stack).describe_ours()
    if state is None or "FunctionName" not in state.parameters:  # or one that is only prepared
        raise _not_deployed(f"there is no stack {stack} in {session.region_name}")
    return state.parameters["FunctionName"]


def _environment_of(session: boto3.Session, function: str) -> Mapping[str, str]:
    client = session.client("lambda")
    try:
        configuration = client.get_function_configuration(FunctionName=function)
    except client.exceptions.ResourceNotFoundException as error:
        raise _not_deployed(f"there is no function {function} in {session.region_name}") from error
    return configuration.get("Environment", {}).get("Variables", {})


def _place(environment: Mapping[str, str], function: str) -> LockPlace:
    store, stack = environment.get("SLDB_STORE", ""), environment.get("SLDB_STACK", "")
    if not store.startswith("s3://") or not stack:
        raise _not_deployed(f"the function {function} is none of sldb's")
    bucket, _, prefix = store.removeprefix("s3://").rstrip("/").partition("/")
    return LockPlace(
        kind=environment.get("SLDB_LOCK", "security-group"),
        stack=stack,
        vpc_id=environment.get("SLDB_VPC_ID") or None,
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
    )


def _not_deployed(what: str) -> SldbError:
    return SldbError("store_error", what, "sldb deploy makes it; or give --stack, --region or --profile")
