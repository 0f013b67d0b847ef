"""`sldb status`: the stack, its functions, the holders of its locks, and the databases. Reads only.

The databases and the locks are read with the caller's own rights and without the functions, so that they are shown also
if the functions do not work. The databases are listed by the server's code, in this process.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.deploy.storage.options import EFS
from sldb.deploy.tags import Tags
from sldb.ops.alarms import AlarmInfo, dashboard_url, read_alarms
from sldb.ops.apis import ApiInfo, count_callers, read_apis
from sldb.ops.file_system import list_databases
from sldb.stack.account import Account
from sldb.stack.cloudformation import Stack
from sldb.stack.lock_groups import list_lock_groups
from sldb.stack.lock_objects import LockObjects
from sldb.stack.names import DATABASES_PREFIX
from sldb.stack.ownership import no_such_stack
from sldb.stack.queues import QueueCounts, count_messages
from sldb.stack.statuses import Health, health

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from sldb.stack.bucket import Bucket
    from sldb.stack.state import StackState


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    name: str
    state: str  # Active, Pending, Inactive or Failed; "missing" if there is none
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
    place: str  # of the databases
    bucket: str
    bucket_is_gone: bool
    bundle: str  # sha256 of the code
    lock_kind: str
    lock_max_age_seconds: int
    recoverable_days: int  # for which deleted objects can be recovered; 0: they cannot
    functions: tuple[FunctionInfo, ...]
    locks: tuple[Holder, ...]
    databases: tuple[Mapping[str, Any], ...]  # as in the reply to the action `databases`
    health: Health
    permissions_boundary: str = ""  # of the functions' roles; empty if there is none
    tags: Mapping[str, str] = field(default_factory=dict)  # of the stack, without AWS's own
    apis: tuple[ApiInfo, ...] = ()
    callers: int | None = None  # of the APIs, the active ones; None: there is no API, or they cannot be read
    alarms: tuple[AlarmInfo, ...] | None = ()  # None: they cannot be read
    dashboard: str = ""  # its address; empty if there is none
    options: tuple[str, ...] = ()  # of `sldb deploy` that are shown nowhere else, as they are given to it
    queue_kind: str = "none"  # fifo, standard or none
    moving_to: str = ""  # the kind of store that the databases are on their way to; empty if they are not
    refuses_writes: bool = False  # until they have moved
    queues: tuple[QueueCounts, ...] | None = ()  # failed invocations in any stack; None: they cannot be read

    def encode(self, now: float) -> dict[str, Any]:
        """Return the status as an object for JSON."""
        locks = [{**asdict(lock), "age_seconds": lock.age_seconds(now)} for lock in self.locks]
        return {**asdict(self), "locks": locks}


def deployed(account: Account, stack: str) -> StackState:
    """Return the state of a stack of sldb's. Raises `store_error` (exit status 3) if it does not exist, or is another
    tool's."""
    state = Stack(account.cloudformation, stack).describe_ours()
    if state is None:
        raise no_such_stack(stack, account.region, account.id)
    return state


def serving(account: Account, stack: str) -> StackState:
    """Return the state of a stack with functions and a bucket. Raises `store_error` (exit status 3) if the stack does
    not exist, or was never completed."""
    state = deployed(account, stack)
    found = health(state.status, state.reason)
    if not found.exists:
        raise SldbError("store_error", f"the stack {stack} is not deployed: {found.says}", found.next)
    return state


def read_status(account: Account, stack: str, state: StackState | None = None) -> Status:
    """Return the status of a stack; `state`: its state, if it is known. Raises as `deployed` does."""
    state = state or deployed(account, stack)
    bucket = account.data_bucket(stack, state) if state.has_data_bucket else None
    is_there = bucket is not None and bucket.exists()
    is_up = health(state.status, state.reason).exists
    if state.storage == EFS:
        databases = list_databases(account, stack, state) if is_up else []
    else:
        databases = _databases(account, bucket, state) if bucket and is_there else []
    apis = read_apis(account, state)
    return Status(
        stack=stack,
        stack_status=state.status,
        region=account.region,
        account=account.id,
        place=_place(state, bucket) if is_up else "",
        bucket=bucket.name if bucket else "",
        bucket_is_gone=bucket is not None and not is_there,
        bundle=state.parameters.get("BundleKey", "").removesuffix(".zip"),
        lock_kind=state.lock_kind,
        lock_max_age_seconds=state.lock_max_age_seconds,
        recoverable_days=int(state.parameters.get("RecoverableDays") or 0),
        permissions_boundary=state.parameters.get("PermissionsBoundary", ""),
        tags=Tags.choose(state.tags, (), ()).before,
        functions=tuple(_function(account.functions, name) for name in state.functions),
        locks=tuple(_locks(account, stack, state, bucket if is_there else None)),
        databases=tuple(each for each in databases if each["state"] != "dropped"),
        health=health(state.status, state.reason),
        apis=apis,
        alarms=read_alarms(account, stack, state),
        dashboard=dashboard_url(state, account.region),
        options=options_of(state.parameters),
        queue_kind=state.parameters.get("Queue", "none"),
        queues=_queues(account, state),
        moving_to=state.moving_to,
        refuses_writes=state.refuses_writes,
        callers=count_callers(account, stack, state, time.time()) if apis and is_there else None,
    )


def _place(state: StackState, bucket: Bucket | None) -> str:
    """Return the place of the databases, for people. The bucket is not that of the outputs: they can be changed by
    hand."""
    if state.storage == EFS or bucket is None:
        return state.databases_place
    return f"s3://{bucket.name}/databases"


def options_of(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options that differ from their defaults, of those that nothing else in the status shows."""
    switches = ("Readers", "Insights", "Tracing")
    values = {"Metrics": "auto", "RetentionDays": "30", "Storage": "s3"}
    values |= {"ReservedConcurrency": "", "ProvisionedConcurrency": ""}
    names = {"RetentionDays": "retention-days"}
    names |= {f"{kind.title()}Concurrency": f"{kind}-concurrency" for kind in ("reserved", "provisioned")}
    given = [f"--{name.lower()}" for name in switches if parameters.get(name) == "true"]
    for name, default in values.items():
        if (value := parameters.get(name, default)) != default:
            given.append(f"--{names.get(name, name.lower())} {value}")
    return tuple(given)


def _queues(account: Account, state: StackState) -> tuple[QueueCounts, ...] | None:
    """Return the counts of the queues; None if they cannot be read."""
    try:
        return count_messages(account.queues, state.outputs)
    except SldbError:
        return None


def _databases(account: Account, bucket: Bucket, state: StackState) -> list[dict[str, Any]]:
    """Return all databases, also the dropped ones, by the server's own code in this process."""
    from sldb.targets import bucket as in_bucket

    variables = {
        "SLDB_STORE": f"s3://{bucket.name}/{DATABASES_PREFIX}",
        "SLDB_RETENTION_DAYS": state.parameters.get("RetentionDays", ""),
    }
    return in_bucket.list_databases(account.session, variables)


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


def _locks(account: Account, stack: str, state: StackState, bucket: Bucket | None) -> list[Holder]:
    """Return the holders of all locks. Security groups are looked for independently of the kind of lock, since that
    costs nothing: some may be left from before the kind was changed."""
    held = list_lock_groups(account.ec2, stack, state.lock_vpc) if state.lock_vpc else []
    if state.lock_kind == "s3" and bucket is not None:
        objects = LockObjects(account.s3, bucket.name, DATABASES_PREFIX)
        held += [replace(holder, etag=None) for holder in objects.holders()]
    return held
