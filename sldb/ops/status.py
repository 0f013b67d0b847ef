"""`sldb status`: the stack, its functions, who holds a lock, and the databases. Reads only.

The databases and the locks are looked up with the caller's own rights and without the functions, so that they are
seen also when the functions do not work. The databases are listed by the server's code, in this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lambda_handlers.shared.holder import Holder, decode_object, lock_key
from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.deploy.tags import Tags
from sldb.stack import statuses
from sldb.stack.account import Account, bucket_exists
from sldb.stack.cloudformation import Stack
from sldb.stack.lock_groups import lock_groups
from sldb.stack.state import StackState

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

PREFIX = "databases/"  # below which the functions keep the databases


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    name: str
    state: str  # Active, Pending, Inactive or Failed; "missing" where there is none
    runtime: str = ""
    architecture: str = ""
    memory_mb: int = 0
    timeout_seconds: int = 0
    last_modified: str = ""  # ISO 8601


@dataclass(frozen=True, slots=True)
class Status:
    stack: str
    stack_status: str
    region: str
    account: str
    bucket: str
    bucket_is_gone: bool
    bundle: str  # sha256 of the code
    lock_kind: str
    lock_max_age_seconds: int
    recoverable_days: int  # for which deleted objects can be had back; 0: they cannot
    functions: tuple[FunctionInfo, ...]
    locks: tuple[Holder, ...]
    databases: tuple[Mapping[str, Any], ...]  # as the action `databases` tells them
    health: statuses.Health
    permissions_boundary: str = ""  # of the functions' roles; empty where there is none
    tags: Mapping[str, str] = field(default_factory=dict)  # of the stack, without AWS's own

    def encode(self, now: float) -> dict[str, Any]:
        """As JSON can say it."""
        locks = [{**asdict(lock), "age_seconds": lock.age_seconds(now)} for lock in self.locks]
        return {**asdict(self), "locks": locks}


def deployed(account: Account, name: str) -> StackState:
    """Raises `store_error` (exit status 3) if the stack does not exist, or is none of sldb's."""
    state = Stack(account.cloudformation, name).describe_ours()
    if state is None:
        raise SldbError(
            "store_error",
            f"there is no stack {name} in {account.region}, account {account.id}",
            "deploy it with `sldb deploy`, or look elsewhere with --stack, --region or --profile",
        )
    return state


def read_status(account: Account, name: str) -> Status:
    """Raises `store_error` (exit status 3) if the stack does not exist."""
    state = deployed(account, name)
    bucket = _bucket(account, name, state)
    is_there = bool(bucket) and bucket_exists(account.s3, bucket, account.id)
    databases = _databases(account, bucket, state) if is_there else []
    return Status(
        stack=name,
        stack_status=state.status,
        region=account.region,
        account=account.id,
        bucket=bucket,
        bucket_is_gone=bool(bucket) and not is_there,
        bundle=state.parameters.get("BundleKey", "").removesuffix(".zip"),
        lock_kind=state.parameters.get("LockKind", ""),
        lock_max_age_seconds=int(state.parameters.get("LockMaxAgeSeconds") or 0),
        recoverable_days=int(state.parameters.get("RecoverableDays") or 0),
        permissions_boundary=state.parameters.get("PermissionsBoundary", ""),
        tags=Tags.choose(state.tags, (), ()).before,
        functions=_functions(account.functions, state.outputs),
        locks=tuple(_locks(account, name, state, [each["name"] for each in databases])),
        databases=tuple(each for each in databases if each["state"] != "dropped"),
        health=statuses.health(name, state.status, state.reason),
    )


def serving(account: Account, name: str) -> StackState:
    """Raises `store_error` (exit status 3) if the stack does not exist, or has not come into being."""
    state = deployed(account, name)
    health = statuses.health(name, state.status, state.reason)
    if not health.exists:
        raise SldbError("store_error", f"the stack {name} is not deployed: {health.says}", health.next)
    return state


def _databases(account: Account, bucket: str, state: StackState) -> list[dict[str, Any]]:
    """All databases, also the dropped ones, by the server's own code in this process."""
    from sldb.targets.bucket import databases_in

    variables = {
        "SLDB_STORE": f"s3://{bucket}/{PREFIX}",
        "SLDB_RETENTION_DAYS": state.parameters.get("RetentionDays", ""),
    }
    return databases_in(account.session, variables)


def _bucket(account: Account, name: str, state: StackState) -> str:
    """Empty for a stack that has not come so far as to have outputs."""
    return account.data_bucket_of(name, state) if "DataBucket" in state.outputs else ""


def _functions(client: LambdaClient, outputs: Mapping[str, str]) -> tuple[FunctionInfo, ...]:
    names = [outputs[key] for key in ("FunctionName", "DeadlockFixFunctionName") if key in outputs]
    return tuple(_function(client, name) for name in names)


def _function(client: LambdaClient, name: str) -> FunctionInfo:
    with aws_errors(f"read the settings of the function {name}"):
        try:
            found = client.get_function_configuration(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            return FunctionInfo(name, "missing")
    return FunctionInfo(
        name=name,
        state=found.get("State", "Active"),
        runtime=found.get("Runtime", ""),
        architecture=", ".join(found.get("Architectures", ["x86_64"])),
        memory_mb=found.get("MemorySize", 0),
        timeout_seconds=found.get("Timeout", 0),
        last_modified=found.get("LastModified", ""),
    )


def _locks(account: Account, name: str, state: StackState, databases: list[str]) -> list[Holder]:
    """All kinds are looked for where they cost nothing: groups may be left from before the kind was changed."""
    held = []
    if vpc_id := state.outputs.get("LockVpc"):
        held += lock_groups(account.ec2, name, vpc_id)
    if state.parameters.get("LockKind") == "s3":
        found = (_lock_object(account.s3, _bucket(account, name, state), database) for database in databases)
        held += [holder for holder in found if holder is not None]
    return held


def _lock_object(s3: S3Client, bucket: str, database: str) -> Holder | None:
    with aws_errors(f"read the lock of {database}"):
        try:
            body = s3.get_object(Bucket=bucket, Key=f"{PREFIX}{lock_key(database)}")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
    lock = decode_object(database, body)
    return lock.holder if lock else None
