"""Losses: resources of a stack, deleted without CloudFormation and still existing for it.

CloudFormation compares templates, not the resources: it calls such a stack up to date, and an update of a missing
resource fails, as does its roll-back. So this module looks for every resource, with the caller's own rights: one or
two calls each, in parallel. A resource that the caller has no right to see is reported apart from a missing one.

According to AWS, a drift-aware change set creates missing resources again. This was tested with the emulator only. If
CloudFormation overlooks one, `plan.refuse_overlooked_losses` reports it and the next step.

Changes to an existing resource are not checked, except if they stop the functions: the policies of the roles, and the
schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.deploy.checks.apis import API_CHECKS
from sldb.deploy.checks.check import Problems, ResourceCheck
from sldb.deploy.checks.files import FILE_CHECKS
from sldb.deploy.checks.operation import OPERATION_CHECKS
from sldb.deploy.checks.queues import QUEUE_CHECKS
from sldb.deploy.storage.options import EFS, NO_MIGRATION
from sldb.stack.names import ALIAS, authorizer_function, read_function
from sldb.stack.resource_change import DATA_BUCKET, FILE_SYSTEM, LOCK_VPC
from sldb.stack.state import StackResource

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.cloudformation import Stack
    from sldb.stack.state import StackState

_THREADS = 8


@dataclass(frozen=True, slots=True)
class Loss:
    logical_id: str  # in the template
    says: str  # such as: the function test-db-function is gone
    other_code_in: str = ""  # the function that runs other code; CloudFormation does not compare the code

    @property
    def is_data(self) -> bool:
        return self.logical_id in (DATA_BUCKET, FILE_SYSTEM)


@dataclass(frozen=True, slots=True)
class LossReport:
    checked: int = 0  # resources
    losses: tuple[Loss, ...] = ()
    errors: tuple[SldbError, ...] = ()  # the reasons why some could not be looked for

    @property
    def of_stack(self) -> tuple[Loss, ...]:
        """The losses for a drift-aware change set to repair."""
        return tuple(loss for loss in self.losses if not loss.other_code_in)

    @property
    def data(self) -> Loss | None:
        """The loss of the data bucket."""
        return next((loss for loss in self.losses if loss.is_data), None)


def find_losses(account: Account, stack: Stack, state: StackState) -> LossReport:
    """Look for every resource of the stack, and for the data bucket of an earlier stack."""
    try:
        resources = [each for each in stack.resources() if each.type in _PROBES]
    except SldbError as error:
        return LossReport(errors=(error,))
    if state.adopted_bucket:  # not a resource of CloudFormation's
        resources.append(StackResource(DATA_BUCKET, "AWS::S3::Bucket", state.adopted_bucket, ""))
    names = {each.logical_id: each.physical_id for each in resources}
    checks = [ResourceCheck(account, each, state.parameters, names) for each in resources]
    losses, errors = list[Loss](), list[SldbError]()
    for check in checks:
        _CLIENTS[check.resource.type](account)  # here: threads must not make them
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(_losses_of, checks):
            if isinstance(found, SldbError):
                errors.append(found)
            else:
                losses += found
    return LossReport(len(checks), tuple(losses), tuple(errors))


def _losses_of(check: ResourceCheck) -> list[Loss] | SldbError:
    try:
        found = [Loss(check.resource.logical_id, problem) for problem in _PROBES[check.resource.type](check)]
        return found or _other_code(check)
    except SldbError as error:
        return error


def _function(check: ResourceCheck) -> Problems:
    subject, client = f"the function {check.name}", check.account.functions
    found = check.describe(subject, lambda: client.get_function_configuration(FunctionName=check.name))
    if found is None:
        yield f"{subject} is gone"
    elif not {"SLDB_STORE", "SLDB_STACK"} <= set(found.get("Environment", {}).get("Variables", {})):
        yield f"{subject} has lost its settings"


def _other_code(check: ResourceCheck) -> list[Loss]:
    """Return a loss for a function with other code than was deployed, by the size of the code. If the bundle is gone,
    nothing is known, and nothing is wrong: a function keeps its code."""
    if check.resource.type != "AWS::Lambda::Function":
        return []
    subject, functions, s3 = f"the code of {check.name}", check.account.functions, check.account.s3
    bucket, key = check.parameters["BundleBucket"], check.parameters["BundleKey"]
    bundle = check.describe(subject, lambda: s3.head_object(Bucket=bucket, Key=key))
    found = check.describe(subject, lambda: functions.get_function_configuration(FunctionName=check.name))
    if bundle is None or found is None or found["CodeSize"] == bundle["ContentLength"]:
        return []
    return [Loss(check.resource.logical_id, f"the function {check.name} runs other code than was deployed", check.name)]


def _permission(check: ResourceCheck) -> Problems:
    who, function, mark = _permitted(check)
    subject, client = f"the right of {who} to invoke {function}", check.account.functions
    given = {"FunctionName": function, **_qualifier(check)}
    policy = check.describe(subject, lambda: client.get_policy(**given))
    if policy is None or mark not in policy["Policy"]:
        yield f"{subject} is gone"


def _qualifier(check: ResourceCheck) -> dict[str, str]:
    """Return the alias in a permission, if it has one: the APIs call the query function by it."""
    others = ("DeadlockFixSchedulePermission", "AuthorizerPermission")
    has_alias = bool(check.parameters.get("ProvisionedConcurrency"))
    logical_id = check.resource.logical_id
    return {"Qualifier": ALIAS} if has_alias and logical_id not in others and "Read" not in logical_id else {}


def _version(check: ResourceCheck) -> Problems:
    name, number = check.name.split(":")[6:8]
    subject, client = f"the version {number} of the function {name}", check.account.functions
    if check.describe(subject, lambda: client.get_function_configuration(FunctionName=name, Qualifier=number)) is None:
        yield f"{subject} is gone"


def _alias(check: ResourceCheck) -> Problems:
    name, alias = check.name.split(":")[6:8]
    subject, client = f"the alias {alias} of the function {name}", check.account.functions
    if check.describe(subject, lambda: client.get_alias(FunctionName=name, Name=alias)) is None:
        yield f"{subject} is gone"


def _permitted(check: ResourceCheck) -> tuple[str, str, str]:
    """Return what is permitted to invoke a function, the function, and a text that its policy then contains."""
    function, logical_id = check.parameters.get("FunctionName", ""), check.resource.logical_id
    if logical_id == "DeadlockFixSchedulePermission":
        return "the schedule", check.parameters.get("DeadlockFixFunctionName", ""), "events.amazonaws.com"
    if logical_id == "AuthorizerPermission":
        return "the API of tokens", authorizer_function(function), f":{check.names.get('TokenApi', '')}/authorizers/"
    if logical_id.endswith("ReadPermission"):
        function = read_function(function)
    api = logical_id.removesuffix("Permission").removesuffix("Read") + "Api"
    return f"the API {check.names.get(api, '')}", function, f":{check.names.get(api, '')}/"


def _role(check: ResourceCheck) -> Problems:
    subject, client = f"the role {check.name}", check.account.iam
    found = check.describe(subject, lambda: client.list_role_policies(RoleName=check.name))
    if found is None:
        yield f"{subject} is gone"
        return
    for policy in role_policies(check.resource.logical_id, check.parameters):
        if policy not in found["PolicyNames"]:
            yield f"the policy {policy} of {subject} is gone"


def role_policies(logical_id: str, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return the policies of a role, as in the template; a test compares."""
    if logical_id == "FilesRole":
        return ("logs", "files")
    mounts = parameters.get("Storage") == EFS and logical_id != "AuthorizerRole"
    has_bucket = not mounts or parameters.get("Migration", NO_MIGRATION) != NO_MIGRATION
    takes_locks = parameters.get("LockKind") == "security-group" and not mounts
    has_locks = {
        "QueryRole": takes_locks or parameters.get("KeepLockVpc") == "true",
        "DeadlockFixRole": has_bucket,
    }
    optional = {
        "data": has_bucket,
        "tracing": parameters.get("Tracing") == "true" and logical_id in ("QueryRole", "ReadRole"),
        "key": bool(parameters.get("KmsKey")) and has_bucket,
        "former-keys": bool(parameters.get("FormerKmsKeys")) and has_bucket,
        "logs": True,
        "files": mounts,
        "locks": has_locks.get(logical_id, False),
    }
    return tuple(name for name, has in optional.items() if has)


def _vpc(check: ResourceCheck) -> Problems:
    use = "locks" if check.resource.logical_id == LOCK_VPC else "file system"
    subject, client = f"the VPC of the {use}, {check.name},", check.account.ec2
    if check.describe(subject, lambda: client.describe_vpcs(VpcIds=[check.name])) is None:
        yield f"{subject} is gone"


def _rule(check: ResourceCheck) -> Problems:
    name = check.name.rpartition("/")[2].rpartition("|")[2]  # some servers return its ARN, or its bus before it
    subject, client = f"the schedule {name}", check.account.events
    rule = check.describe(subject, lambda: client.describe_rule(Name=name))
    if rule is None:
        yield f"{subject} is gone"
        return
    if rule["State"] == "DISABLED":
        yield f"{subject} is switched off"
    targets = check.describe(subject, lambda: client.list_targets_by_rule(Rule=name))
    if targets is None or not targets["Targets"]:
        yield f"{subject} invokes nothing"


def _log_group(check: ResourceCheck) -> Problems:
    subject, client = f"the log group {check.name}", check.account.logs
    found = check.describe(subject, lambda: client.describe_log_groups(logGroupNamePrefix=check.name))
    if check.name not in [group["logGroupName"] for group in found["logGroups"]]:
        yield f"{subject} is gone"


def _bucket(check: ResourceCheck) -> Problems:
    if not check.account.bucket(check.name).exists():
        yield f"the data bucket {check.name} is gone, and with it every database that was in it"


def _bucket_policy(check: ResourceCheck) -> Problems:
    """Look at the data bucket: the policy's own name may be the bucket's, or one that CloudFormation generated."""
    bucket, client = check.names.get(DATA_BUCKET, ""), check.account.s3
    subject = f"the policy of the bucket {bucket}"
    if check.describe(subject, lambda: client.get_bucket_policy(Bucket=bucket)) is None:
        yield f"{subject} is gone"


_CLIENTS: Mapping[str, Callable[[Account], Any]] = {
    "AWS::Lambda::Function": lambda account: (account.functions, account.s3),
    **dict.fromkeys(
        ("AWS::Lambda::Permission", "AWS::Lambda::Version", "AWS::Lambda::Alias"), lambda account: account.functions
    ),
    "AWS::IAM::Role": lambda account: account.iam,
    "AWS::EC2::VPC": lambda account: account.ec2,
    "AWS::Events::Rule": lambda account: account.events,
    "AWS::Logs::LogGroup": lambda account: account.logs,
    "AWS::S3::Bucket": lambda account: account.s3,
    "AWS::S3::BucketPolicy": lambda account: account.s3,
    **dict.fromkeys(QUEUE_CHECKS, lambda account: (account.queues, account.functions, account.iam)),
    **dict.fromkeys(API_CHECKS, lambda account: (account.apis, account.rest_apis, account.secrets)),
    **dict.fromkeys(OPERATION_CHECKS, lambda account: (account.cloudwatch, account.topics, account.keys)),
    **dict.fromkeys(FILE_CHECKS, lambda account: (account.efs, account.ec2)),
}
_PROBES: Mapping[str, Callable[[ResourceCheck], Problems]] = {
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::Version": _version,
    "AWS::Lambda::Alias": _alias,
    "AWS::IAM::Role": _role,
    "AWS::EC2::VPC": _vpc,
    "AWS::Events::Rule": _rule,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    **API_CHECKS,
    **OPERATION_CHECKS,
    **QUEUE_CHECKS,
    **FILE_CHECKS,
}
