"""What a stack rests on and is gone, while CloudFormation believes it to be there: deleted behind its back.

CloudFormation compares templates, not what there is: it calls such a stack up to date, and an update of what is gone
fails, as does its roll-back. So every resource is looked for, with the caller's own rights: one or two calls each, side
by side. What may not be looked for is told apart from what is gone.

That a drift-aware change set makes anew what is gone is AWS's word, tested over the emulator only; where CloudFormation
would overlook something, `plan.refuse_to_overlook` says so and what to do.

What was changed and is still there is not looked at, but for what the functions cannot do without: the policies of the
roles, and the schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.stack.account import bucket_exists
from sldb.stack.changes import DATA_BUCKET

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.cloudformation import Stack
    from sldb.stack.state import StackResource, StackState

_THREADS = 8
_GONE = {  # what the services call it
    *("ResourceNotFoundException", "NoSuchEntity", "InvalidVpcID.NotFound", "NoSuchBucketPolicy", "NoSuchBucket"),
    *("404", "NoSuchKey"),
}


@dataclass(frozen=True, slots=True)
class Loss:
    logical_id: str  # in the template
    says: str  # such as: the function test-db-function is gone
    code_of: str = ""  # the function that runs other code, which CloudFormation does not look at

    @property
    def of_data(self) -> bool:
        return self.logical_id == DATA_BUCKET


@dataclass(frozen=True, slots=True)
class Survey:
    looked_for: int  # resources
    losses: tuple[Loss, ...] = ()
    unseen: tuple[SldbError, ...] = ()  # why some could not be looked for

    @property
    def of_stack(self) -> tuple[Loss, ...]:
        """Those that a drift-aware change set mends."""
        return tuple(loss for loss in self.losses if not loss.code_of)

    @property
    def data(self) -> Loss | None:
        return next((loss for loss in self.losses if loss.of_data), None)


def survey(account: Account, stack: Stack, state: StackState) -> Survey:
    """Look for everything that the stack rests on."""
    try:
        resources = [each for each in stack.resources() if each.type in _LOOKS]
    except SldbError as error:
        return Survey(0, unseen=(error,))
    if adopted := state.parameters.get("ExistingBucket"):
        resources.append(_adopted(adopted))
    data_bucket = next((each.physical_id for each in resources if each.logical_id == DATA_BUCKET), "")
    looks = [_Look(account, each, state.parameters, data_bucket) for each in resources]
    losses, unseen = list[Loss](), list[SldbError]()
    for each in looks:
        _CLIENTS[each.resource.type](account)  # here: threads must not make them
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(_found, looks):
            if isinstance(found, SldbError):
                unseen.append(found)
            else:
                losses += found
    return Survey(len(looks), tuple(losses), tuple(unseen))


def _adopted(bucket: str) -> StackResource:
    """A data bucket that an earlier stack left is none of CloudFormation's resources."""
    from sldb.stack.state import StackResource

    return StackResource(DATA_BUCKET, "AWS::S3::Bucket", bucket, "")


@dataclass(frozen=True, slots=True)
class _Look:
    account: Account
    resource: StackResource
    parameters: Mapping[str, str]
    data_bucket: str

    @property
    def name(self) -> str:
        return self.resource.physical_id

    def ask(self, what: str, call: Callable[[], Any]) -> Any:
        """The answer; None where there is no such thing. Raises SldbError where AWS does not tell."""
        from botocore.exceptions import ClientError

        with aws_errors(f"look for {what}"):
            try:
                return call()
            except ClientError as error:
                if error.response["Error"]["Code"] in _GONE:
                    return None
                raise


_Says: TypeAlias = Iterator[str]


def _found(look: _Look) -> list[Loss] | SldbError:
    try:
        found = [Loss(look.resource.logical_id, says) for says in _LOOKS[look.resource.type](look)]
        return found or _other_code(look)
    except SldbError as error:
        return error


def _function(look: _Look) -> _Says:
    what, client = f"the function {look.name}", look.account.functions
    found = look.ask(what, lambda: client.get_function_configuration(FunctionName=look.name))
    if found is None:
        yield f"{what} is gone"
    elif not {"SLDB_STORE", "SLDB_STACK"} <= set(found.get("Environment", {}).get("Variables", {})):
        yield f"{what} has lost its settings"


def _other_code(look: _Look) -> list[Loss]:
    """Of a function: whether it runs what was deployed, by the size of the code. Where the bundle is gone nothing is
    known, and nothing is wrong: a function keeps its code."""
    if look.resource.type != "AWS::Lambda::Function":
        return []
    what, functions, s3 = f"the code of {look.name}", look.account.functions, look.account.s3
    bucket, key = look.parameters["BundleBucket"], look.parameters["BundleKey"]
    bundle = look.ask(what, lambda: s3.head_object(Bucket=bucket, Key=key))
    found = look.ask(what, lambda: functions.get_function_configuration(FunctionName=look.name))
    if bundle is None or found is None or found["CodeSize"] == bundle["ContentLength"]:
        return []
    return [Loss(look.resource.logical_id, f"the function {look.name} runs other code than was deployed", look.name)]


def _permission(look: _Look) -> _Says:
    function, client = look.parameters.get("DeadlockFixFunctionName", ""), look.account.functions
    what = f"the right of the schedule to invoke {function}"
    policy = look.ask(what, lambda: client.get_policy(FunctionName=function))
    if policy is None or "events.amazonaws.com" not in policy["Policy"]:
        yield f"{what} is gone"


def _role(look: _Look) -> _Says:
    what, client = f"the role {look.name}", look.account.iam
    found = look.ask(what, lambda: client.list_role_policies(RoleName=look.name))
    if found is None:
        yield f"{what} is gone"
        return
    for policy in role_policies(look.resource.logical_id, look.parameters):
        if policy not in found["PolicyNames"]:
            yield f"the policy {policy} of {what} is gone"


def role_policies(logical_id: str, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """The policies that the template writes into a role; a test compares."""
    has_vpc = parameters.get("LockKind") == "security-group" or parameters.get("KeepLockVpc") == "true"
    takes_locks = logical_id == "DeadlockFixRole" or has_vpc
    return ("data", "logs", "locks") if takes_locks else ("data", "logs")


def _vpc(look: _Look) -> _Says:
    what, client = f"the VPC of the locks, {look.name},", look.account.ec2
    if look.ask(what, lambda: client.describe_vpcs(VpcIds=[look.name])) is None:
        yield f"{what} is gone"


def _rule(look: _Look) -> _Says:
    name = look.name.rpartition("/")[2].rpartition("|")[2]  # some tell its ARN, or its bus before it
    what, client = f"the schedule {name}", look.account.events
    rule = look.ask(what, lambda: client.describe_rule(Name=name))
    if rule is None:
        yield f"{what} is gone"
        return
    if rule["State"] == "DISABLED":
        yield f"{what} is switched off"
    targets = look.ask(what, lambda: client.list_targets_by_rule(Rule=name))
    if targets is None or not targets["Targets"]:
        yield f"{what} invokes nothing"


def _log_group(look: _Look) -> _Says:
    what, client = f"the log group {look.name}", look.account.logs
    found = look.ask(what, lambda: client.describe_log_groups(logGroupNamePrefix=look.name))
    if look.name not in [group["logGroupName"] for group in found["logGroups"]]:
        yield f"{what} is gone"


def _bucket(look: _Look) -> _Says:
    if not bucket_exists(look.account.s3, look.name, look.account.id):
        yield f"the data bucket {look.name} is gone, and with it every database that was in it"


def _bucket_policy(look: _Look) -> _Says:
    """The policy's own name may be the bucket's, or one that CloudFormation made up."""
    what, client = f"the policy of the bucket {look.data_bucket}", look.account.s3
    if look.ask(what, lambda: client.get_bucket_policy(Bucket=look.data_bucket)) is None:
        yield f"{what} is gone"


_CLIENTS: Mapping[str, Callable[[Account], Any]] = {
    "AWS::Lambda::Function": lambda account: (account.functions, account.s3),
    "AWS::Lambda::Permission": lambda account: account.functions,
    "AWS::IAM::Role": lambda account: account.iam,
    "AWS::EC2::VPC": lambda account: account.ec2,
    "AWS::Events::Rule": lambda account: account.events,
    "AWS::Logs::LogGroup": lambda account: account.logs,
    "AWS::S3::Bucket": lambda account: account.s3,
    "AWS::S3::BucketPolicy": lambda account: account.s3,
}
_LOOKS: Mapping[str, Callable[[_Look], _Says]] = {
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::IAM::Role": _role,
    "AWS::EC2::VPC": _vpc,
    "AWS::Events::Rule": _rule,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
}
