"""The write locks of a deployed stack, seen and freed from outside.

What the locks are is `lambda_handlers.locks`' business; here is only what `sldb unlock` and `sldb status` need: find
the lock of a database, and free exactly the lock that was seen, by its id, so that one that was taken in the
meantime stays. Freeing is always safe: the conditional commit decides, so a writer whose lock was freed can never
overwrite what others have committed since.

    security-group  id = group id
    s3              id = owner, freed by a replace of the object on condition of its ETag
    none            there are no locks

Their names, tags and fields are in `lambda_handlers.shared.holder`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.shared.holder import Holder, decode_object, encode_released, group_filters, lock_key
from sldb.aws.errors import aws_errors
from sldb.aws.options import AwsOptions
from sldb.aws.session import boto3_session
from sldb.stack.lock_groups import as_filters, holders_in
from sldb.targets.deployed_function import DeployedFunction

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

    def held(self, database: str) -> Holder | None:
        """The lock of the database, or None if nobody has it."""
        if self.place.kind == "none":
            return None
        with aws_errors(f"look for the lock of {database}"):
            return self._group(database) if self.place.kind == "security-group" else self._object(database)

    def free(self, lock: Holder) -> bool:
        """Free this very lock; False if it was gone already."""
        with aws_errors(f"free the lock of {lock.database}"):
            return self._delete_group(lock) if lock.etag is None else self._release_object(lock)

    def _group(self, database: str) -> Holder | None:
        filters = as_filters(group_filters(self.place.stack, self.place.vpc_id, database))
        found = self._session.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
        return next(iter(holders_in(found)), None)

    def _delete_group(self, lock: Holder) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._session.client("ec2").delete_security_group(GroupId=lock.lock_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidGroup.NotFound":
                return False
            raise
        return True

    def _object(self, database: str) -> Holder | None:
        body, etag = self._read_object(database)
        lock = decode_object(database, body, etag)
        return lock.holder if lock else None

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

    def _release_object(self, lock: Holder) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._session.client("s3").put_object(
                Bucket=self.place.bucket,
                Key=self._key(lock.database),
                Body=encode_released(lock.lock_id, lock.database, time.time()),
                IfMatch=str(lock.etag),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "NoSuchKey", "404", "412"):
                raise
            # boto3 sends again what got no answer, and the second may meet the first.
            now = decode_object(lock.database, self._read_object(lock.database)[0])
            return now is not None and now.released == lock.lock_id
        return True

    def _key(self, database: str) -> str:
        return f"{self.place.prefix}{lock_key(database)}"


def stack_locks(options: AwsOptions, stack: str) -> StackLocks:
    """The locks of a stack. Raises as `locks_of` does."""
    return locks_of(DeployedFunction(options, stack=stack))


def locks_of(deployed_function: DeployedFunction) -> StackLocks:
    """The locks that a query function uses. Raises SldbError `store_error` with what to do next where there is none."""
    deployed_function.confirm()  # a lock is freed by hand rarely: this may cost a call
    environment = deployed_function.settings()
    with aws_errors("find the locks"):
        session = boto3_session(deployed_function.aws)
    return StackLocks(session, _place(environment))


def _place(environment: Mapping[str, str]) -> LockPlace:
    bucket, _, prefix = environment["SLDB_STORE"].removeprefix("s3://").rstrip("/").partition("/")
    return LockPlace(
        kind=environment.get("SLDB_LOCK", "security-group"),
        stack=environment["SLDB_STACK"],
        vpc_id=environment.get("SLDB_VPC_ID") or None,
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
    )
