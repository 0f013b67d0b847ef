"""Checks of a stack, and of the user's rights to deploy and use it: one after another, each on its own.

The check of conditional writes, on which every commit rests, is in store.py: it writes objects beside the databases
(`doctor/…`) and deletes them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from lambda_handlers.shared import times
from lambda_handlers.wire import SldbError
from sldb import moments
from sldb.aws.errors import aws_errors
from sldb.client import Client
from sldb.deploy.losses import find_losses
from sldb.deploy.repair import repair_hint
from sldb.deploy.storage.options import EFS
from sldb.deploy.versions import kept_days
from sldb.doctor.apis import ApiChecks, http_status
from sldb.doctor.file_system import file_system_findings
from sldb.doctor.finding import Finding, checked, ok, unchecked
from sldb.doctor.local import engine
from sldb.doctor.operation import alarm_findings, provisioned_findings
from sldb.doctor.protection import protection
from sldb.doctor.queues import queue_findings
from sldb.ops.status import Status, deployed, read_status
from sldb.ops.status_report import move
from sldb.progress.protocol import SILENT, Progress
from sldb.report import count
from sldb.stack.account import Account
from sldb.stack.cloudformation import Stack
from sldb.stack.state import FILE_LOCKS, StackState
from sldb.stack.statuses import REMAKE

WARN_SECONDS, FAIL_SECONDS = 60, 300  # of the clock; AWS refuses signatures that are five minutes off
MIN_EXECUTIONS = 100  # at a time, without a warning
# Needed for deploying, and for using; docs/security.md has the rights of the functions themselves.
DEPLOY_ACTIONS = tuple(
    """cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet cloudformation:DescribeStacks
    cloudformation:DescribeStackEvents s3:CreateBucket s3:PutObject iam:CreateRole iam:PutRolePolicy iam:PassRole
    lambda:CreateFunction lambda:UpdateFunctionCode logs:CreateLogGroup events:PutRule ec2:CreateVpc""".split()  # noqa: SIM905 - reads better
)
USE_ACTIONS = ("lambda:InvokeFunction",)


def findings(account: Account, stack: str, client: Client, progress: Progress = SILENT) -> Iterator[Finding]:
    """Yield the findings as they come; `progress` gets the name of each check before it."""
    progress.begin("checking identity and clock")
    yield from _identity(account)
    progress.begin("checking permissions")
    yield _permissions(account)
    yield _concurrency(account)
    progress.begin("checking the stack")
    try:
        state = deployed(account, stack)
        # First: with a key that is disabled nothing else can be read.
        yield from protection(account, state.parameters, account.data_bucket(stack, state).name)
        status = read_status(account, stack, state)
    except SldbError as error:
        yield Finding("stack", "fail", error.message, error.hint)
        return
    yield Finding("stack", status.health.state, status.health.says, status.health.next)
    if not status.health.exists:
        return
    if status.moving_to:
        yield Finding("move", "warn", *move(status))
    progress.begin("checking resources")
    yield from resources(account, stack, state)
    yield from _functions(status)
    progress.begin("checking the APIs")
    yield from ApiChecks(account, stack, state, http_status(account)).findings()
    progress.begin("checking the alarms")
    yield from alarm_findings(account, state, status.alarms)
    yield from provisioned_findings(account, state)
    progress.begin("checking the queue")
    yield from queue_findings(account, state)
    progress.begin("checking the engine")
    yield checked("engine", lambda: engine(client))
    progress.begin("checking commits")
    if state.storage == EFS:
        yield from file_system_findings(account, state)
    elif not status.bucket_is_gone:
        yield from _conditions(account, status.bucket)
        yield recoverable_days(account, status)
    yield _locks(status)


def _identity(account: Account) -> Iterator[Finding]:
    with aws_errors("determine your AWS identity"):
        sent_at = time.time()
        response: Any = account.session.client("sts").get_caller_identity()
        received_at = time.time()
    yield ok("identity", f"{response['Arn']} in {account.region}")
    yield clock(response["ResponseMetadata"]["HTTPHeaders"].get("date"), sent_at, received_at)


def clock(date: str | None, sent_at: float, received_at: float) -> Finding:
    """Compare the machine's clock with AWS's, in whole seconds, between request and response."""
    if date is None:
        return Finding("clock", "warn", "could not be checked: AWS's response has no date")
    aws_at = parsedate_to_datetime(date).timestamp()
    off = max(sent_at - aws_at - 1, aws_at - received_at, 0.0)
    state = "ok" if off < WARN_SECONDS else "warn" if off < FAIL_SECONDS else "fail"
    says = f"{off:.0f} s off AWS's" if off >= 1 else "agrees with AWS's"
    return Finding("clock", state, says, "" if state == "ok" else "set the clock: AWS refuses what is 5 minutes off")


def policy_source(arn: str) -> str:
    """Return the caller's ARN for iam:SimulatePrincipalPolicy: for a session, that of its role."""
    match = re.fullmatch(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/.*", arn)
    return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}" if match else arn


def _permissions(account: Account) -> Finding:
    try:
        with aws_errors("check your permissions"):
            arn = account.session.client("sts").get_caller_identity()["Arn"]
            if arn.endswith(":root"):
                return ok("permissions", "the account's owner may do everything")
            response: Any = account.iam.simulate_principal_policy(
                PolicySourceArn=policy_source(arn), ActionNames=[*DEPLOY_ACTIONS, *USE_ACTIONS]
            )
    except SldbError as error:
        return unchecked("permissions", error)
    refused = [each["EvalActionName"] for each in response["EvaluationResults"] if each["EvalDecision"] != "allowed"]
    return permissions(refused)


def permissions(refused: list[str]) -> Finding:
    if not refused:
        return ok("permissions", "deploy, query and push are allowed, as far as your own policies go")
    # A policy may allow an action on this stack's resources alone: only a check with their names could show that.
    says = f"not allowed on every resource: {', '.join(sorted(refused))}"
    return Finding(
        "permissions", "warn", says, "if they are not allowed on the stack's own resources either, request them"
    )


def _concurrency(account: Account) -> Finding:
    try:
        with aws_errors("read the account's limits of Lambda"):
            limit = account.functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    except SldbError as error:
        return unchecked("quota", error)
    if limit < MIN_EXECUTIONS:
        hint = "request more in Service Quotas; new accounts begin with 10"
        return Finding("quota", "warn", f"only {limit} Lambda invocations at a time in this region", hint)
    return ok("quota", f"{limit:,} Lambda invocations at a time in this region")


def resources(account: Account, stack: str, state: StackState) -> Iterator[Finding]:
    """Find resources deleted or damaged without CloudFormation."""
    found = find_losses(account, Stack(account.cloudformation, stack), state)
    if not found.losses and not found.errors:
        yield ok("resources", f"all {found.checked} are there")
    for loss in found.losses:
        yield Finding("resources", "fail", loss.says, repair_hint(found))
    for error in found.errors:
        yield unchecked("resources", error)


# The state of a function, as Lambda reports it → the next step.
_NEXT = {
    "missing": "`sldb deploy` creates it again",
    "Pending": "check again: Lambda is preparing it",
    "Inactive": "a query wakes it: sldb query 'SELECT 1'",
}


def _functions(status: Status) -> Iterator[Finding]:
    for function in status.functions:
        if function.state != "Active":
            next_ = _NEXT.get(function.state, REMAKE)
            state = "warn" if function.state in ("Pending", "Inactive") else "fail"
            yield Finding("function", state, f"{function.name} is {function.state}", next_)
            continue
        says = f"{function.name}: {function.runtime}, {function.architecture}, {function.memory_mb} MB"
        yield ok("function", f"{says}, code {status.bundle[:12]}{_since(function.last_modified)}")


def _since(last_modified: str) -> str:
    """Return the time as in: of 2026-11-26 20:04:12+09:00"""
    at = times.read(last_modified)
    return f" of {moments.shown(at.start_ms, to_the_second=True)}" if at else ""


def _conditions(account: Account, bucket: str) -> Iterator[Finding]:
    from sldb.doctor import store

    try:
        yield from store.check_bucket(bucket, account.session)
    except SldbError as error:
        yield unchecked("commits", error)


def recoverable_days(account: Account, status: Status) -> Finding:
    try:
        days = kept_days(account.bucket(status.bucket)) if status.bucket else 0
    except SldbError as error:
        return unchecked("deleted", error)
    if days != status.recoverable_days:
        says = (
            f"the bucket keeps deleted objects for {count(days, 'day')}, and the stack says {status.recoverable_days}"
        )
        return Finding("deleted", "warn", says, "sldb deploy --recoverable-days DAYS sets it again")
    return ok(
        "deleted", f"deleted objects can be recovered for {count(days, 'day')}" if days else "no deleted object is kept"
    )


def _locks(status: Status) -> Finding:
    if status.lock_kind == FILE_LOCKS and not status.locks:
        return ok("locks", "of files: the file system keeps them, and they are not listed")
    now = time.time()
    held = [(lock, lock.age_seconds(now)) for lock in status.locks]
    old = [lock.database for lock, age in held if age is not None and age > status.lock_max_age_seconds + 60]
    if old:
        says = f"of {', '.join(old)} are older than {status.lock_max_age_seconds} s, and nothing has freed them"
        return Finding("locks", "warn", says, "sldb logs --function deadlock-fix; sldb unlock frees one")
    return ok("locks", f"{len(held)} held" if held else "none held")
