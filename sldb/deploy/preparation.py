"""The preparation of a deployment: the wanted state of the stack, and the plan for it.

Builds the bundle on this machine and has CloudFormation work out the changes, as a change set, without executing it.
CloudFormation reads the template from the bucket of bundles. A missing bucket is made for that, and dropped with the
change set. Before, a stack is repaired if it cannot be updated as it is; nothing else changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lambda_handlers.wire import SldbError
from sldb.deploy.apis.log_role import has_log_role
from sldb.deploy.apis.notes import api_notes
from sldb.deploy.apis.options import kinds_of
from sldb.deploy.bucket_tags import keys_of_objects
from sldb.deploy.bundle.archive import Bundle, build
from sldb.deploy.bundle.platform import Platform
from sldb.deploy.bundle_bucket import BundleBucket, object_url
from sldb.deploy.data_bucket import find_adopted
from sldb.deploy.kept.line import Line, read_line
from sldb.deploy.kept.records import Records
from sldb.deploy.kept.version import Version, template_key
from sldb.deploy.lock_vpc import SECURITY_GROUP, LockVpc, plan_lock_vpc
from sldb.deploy.losses import LossReport, find_losses
from sldb.deploy.operation.notes import count_alarms, operation_notes
from sldb.deploy.operation.options import check_topic_region, release_of
from sldb.deploy.operation.topic import topic_notes
from sldb.deploy.parameters import DEFAULTS, Choices, resolve
from sldb.deploy.plan import BundleStep, Kind, Plan
from sldb.deploy.progress import Progress
from sldb.deploy.protection.plan import changes_protection, plan_protection, protection_notes, refuse_lost_keys
from sldb.deploy.queues.change import change_notes
from sldb.deploy.repair import bucket_made, check_data, delete_remains, finish_rollback, loss_notes
from sldb.deploy.storage.file_system import check_subnets, find_adopted_files
from sldb.deploy.storage.notes import storage_notes
from sldb.deploy.storage.options import EFS, lock_kind
from sldb.deploy.tags import Tags, as_text, for_locks
from sldb.deploy.template import template_text
from sldb.stack.account import Account
from sldb.stack.api_addresses import api_addresses
from sldb.stack.cloudformation import Stack
from sldb.stack.names import check_stack_name
from sldb.stack.resource_change import LOCK_VPC
from sldb.stack.state import ChangeSet, StackState
from sldb.stack.statuses import Step, next_step


@dataclass(frozen=True, slots=True)
class Order:
    """The user's order for a deployment."""

    stack: str
    choices: Choices
    environment: Mapping[str, str]  # of this process
    only_plan: bool = False
    repairs: bool = False  # changes made by hand are reverted, too
    rollback: str | None = None  # the number of the version to go back to, empty for the one before; None: go on


@dataclass(frozen=True, slots=True)
class Preparation:
    """The result: a plan, and the values for applying it."""

    plan: Plan
    change_set: ChangeSet | None  # None: there is nothing to do for CloudFormation
    bundle: Bundle | None  # None: that of a kept version, in the bucket
    template: str
    parameters: Mapping[str, str]  # of the stack, as wanted
    tags: Tags
    lock_vpc: LockVpc
    losses: LossReport
    sets_versions: bool  # this deployment or the one before requested recoverable objects
    protects_bucket: bool  # the adopted data bucket gets another encryption, or other access logs
    loses_api_keys: bool  # the API that they are for is removed
    version: Version  # for the record of the deployment
    line: Line  # of the versions before

    def keep_live(self, records: Records) -> None:
        """Record the live version, if it has no record, so that there is a way back to it."""
        if self.line.versions:
            records.keep_unrecorded(list(self.line.versions), self.line.live_template)


@dataclass(frozen=True, slots=True)
class _Start:
    """The stack before the deployment, and the requested settings."""

    stack: Stack
    state: StackState | None  # None: there is no stack to update
    losses: LossReport
    tags: Tags
    bucket: BundleBucket
    line: Line
    repairs: bool
    notes: tuple[str, ...]  # about the queue and the topic of alarms
    chooses_storage: bool  # the user does


def prepare(account: Account, order: Order, progress: Progress) -> Preparation:
    """Return the plan and its change set. Raises OperationFailed for a refused state, `conflict` if another process is
    changing the stack."""
    check_stack_name(order.stack)
    stack = Stack(account.cloudformation, order.stack)
    found = stack.describe_ours()
    step = next_step(order.stack, found.status if found else None)
    state = found if step in (Step.UPDATE, Step.RESUME) else None
    tags = Tags.choose(found.tags if found else {}, order.choices.tags, order.choices.untag)
    previous = state.parameters if state else {}
    bucket = BundleBucket.of(account, order.stack)
    line = read_line(stack, state, bucket.bucket, order.rollback)
    if line.goal:
        parameters, bundle = dict(line.goal.parameters), None
    else:
        parameters = resolve(order.stack, order.choices, {**order.environment, **account.variants}, previous)
        check_topic_region(parameters, account.region)
        bundle = _build(parameters, order.environment, progress)
    if step is Step.RECREATE and found:
        delete_remains(stack, found, progress, only_plan=order.only_plan)
    losses = find_losses(account, stack, state) if state else LossReport()
    check_data(order.stack, losses, new_bucket=order.choices.new_bucket)
    if step is Step.RESUME and found:
        finish_rollback(stack, found, losses, progress, only_plan=order.only_plan)
    progress.note("working out the changes")
    more_notes = (*change_notes(account, state, parameters), *topic_notes(account, previous, parameters))
    chooses_storage = order.choices.storage.storage is not None
    start = _Start(stack, state, losses, tags, bucket, line, order.repairs, more_notes, chooses_storage)
    asks_for_versions = order.choices.recoverable_days is not None or previous.get("RecoverableDays", "0") != "0"
    return _plan(account, start, parameters, bundle, sets_versions=asks_for_versions)


def _build(parameters: Mapping[str, str], environment: Mapping[str, str], progress: Progress) -> Bundle:
    runtime, architecture = parameters["Runtime"], parameters["Architecture"]
    progress.note(f"building the bundle for {runtime} on {architecture}")
    platform = Platform.choose(runtime, architecture, environment.get("SLDB_BUNDLE_PLATFORM"))
    with progress.working("building the bundle") as step:
        return build(platform, progress=step)


def _plan(
    account: Account, start: _Start, chosen: Mapping[str, str], bundle: Bundle | None, *, sets_versions: bool
) -> Preparation:
    """Return the plan. `chosen`: the parameters of the user's choice; all others are added here."""
    lock_vpc = plan_lock_vpc(account.ec2, start.stack.name, start.state, lock_kind(chosen), time.time())
    step = start.bucket.step(bundle, chosen.get("BundleKey", ""))
    stores, store_notes = _stores(account, start, chosen)
    may_log = has_log_role(account) if "key" in kinds_of(chosen) else False
    previous = start.state.parameters if start.state else {}
    logs = previous.get("KeyApiLogs", "false") if may_log is None else str(may_log).lower()
    adopted = stores["ExistingBucket"]
    found = {**stores, "KeyApiLogs": logs, "FormerKmsKeys": _former_keys(account, start, chosen, adopted)}
    parameters = _with_found(start, chosen, lock_vpc, step, found)
    template = start.line.template or template_text(parameters)
    again = f"{int(time.time()):x}" if start.repairs or start.losses.of_stack else ""
    parameters |= release_of(template, parameters, previous, again)
    change_set = _change_set(account, start, step, template, parameters)
    shown = {**DEFAULTS, **parameters}  # a version to go back to may know fewer
    plan = Plan(
        _kind(start, change_set),
        start.stack.name,
        account.id,
        account.region,
        bundle=step,
        changes=change_set.changes if change_set else (),
        notes=(
            *start.line.notes,
            *store_notes,
            *loss_notes(start.losses),
            *_notes(previous, shown, start, lock_vpc, template),
            *api_notes(previous, shown, _addresses(account, start), has_log_role=may_log),
        ),
        losses=start.losses.losses,
        empty=() if lock_vpc.is_kept else (LOCK_VPC,),
    )
    return Preparation(
        plan,
        change_set,
        bundle,
        template,
        parameters,
        start.tags,
        lock_vpc,
        start.losses,
        sets_versions=sets_versions,
        protects_bucket=bool(adopted) and (start.state is None or changes_protection(previous, parameters)),
        loses_api_keys="key" in kinds_of(previous) and "key" not in kinds_of(parameters),
        line=start.line,
        version=start.line.next(template_key(template), parameters, account.caller),
    )


def _with_found(
    start: _Start, chosen: Mapping[str, str], lock_vpc: LockVpc, step: BundleStep, found: Mapping[str, str]
) -> dict[str, str]:
    """Return all parameters: those chosen, those that follow from existing resources, and from the stack. A version to
    go back to may know fewer of them."""
    lock_tags = for_locks(start.tags.all) if lock_kind(chosen) == SECURITY_GROUP else ""
    parameters = {
        **chosen,
        **found,
        "LockTags": lock_tags,
        "KeepLockVpc": str(lock_vpc.is_kept).lower(),
        "BundleBucket": step.bucket,
        "BundleKey": step.key,
        "BucketMade": bucket_made(start.losses, start.state),
        "Release": "",
    }
    names = start.line.goal.parameters if start.line.goal else parameters
    known = {name: value for name, value in parameters.items() if name in names}
    refuse_lost_keys(start.state.parameters if start.state else {}, known)
    return known


def _former_keys(account: Account, start: _Start, chosen: Mapping[str, str], adopted: str) -> str:
    """Return the keys that objects may still be encrypted with. `adopted`: the data bucket of an earlier stack."""
    previous = start.state.parameters if start.state else {}
    data = account.bucket(adopted) if adopted else account.data_bucket(start.stack.name, start.state)
    left_keys = keys_of_objects(data) if adopted and not previous else None
    return plan_protection(account, chosen, previous, data.name, left_keys=left_keys)


def _stores(account: Account, start: _Start, chosen: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the parameters of the stores that an earlier stack left behind, and the notes about them."""
    bucket, notes = "", tuple[str, ...]()
    if not start.losses.data:
        is_served = chosen.get("Storage") != EFS
        bucket, notes = find_adopted(account, start.stack.name, start.state, is_served=is_served)
    check_subnets(account, chosen)
    files, more = find_adopted_files(account, start.stack.name, start.state, chosen, is_asked_for=start.chooses_storage)
    return {"ExistingBucket": bucket, "ExistingFileSystem": files}, (*notes, *more)


def _addresses(account: Account, start: _Start) -> Mapping[str, str]:
    return api_addresses(account, start.state) if start.state else {}


def _change_set(
    account: Account, start: _Start, step: BundleStep, template: str, parameters: Mapping[str, str]
) -> ChangeSet | None:
    """Have CloudFormation work out the changes; return None if the stack is as wanted."""
    lost = start.repairs or bool(start.losses.of_stack)
    if not (start.tags.changed or lost) and _is_up_to_date(start, template, parameters):
        return None
    if step.makes_bucket:
        start.bucket.create()
    change_set = None
    try:
        url = object_url(account, step.bucket, start.bucket.upload_template(template))
        change_set = start.stack.prepare(
            url, parameters, start.tags.sent, creates=start.state is None, reverts_drift=lost
        )
    finally:
        if step.makes_bucket and change_set is None:
            with suppress(SldbError):  # an error of the change set says more
                start.bucket.discard(template)
    return change_set


def _is_up_to_date(start: _Start, template: str, parameters: Mapping[str, str]) -> bool:
    if start.state is None or dict(start.state.parameters) != dict(parameters):
        return False
    return start.stack.template() == template


def _kind(start: _Start, change_set: ChangeSet | None) -> Kind:
    if change_set is None and not start.losses.losses:
        return Kind.UP_TO_DATE
    return Kind.CREATE if start.state is None else Kind.UPDATE


def _notes(
    previous: Mapping[str, str], parameters: Mapping[str, str], start: _Start, lock_vpc: LockVpc, template: str
) -> Iterator[str]:
    tags = start.tags
    yield from start.notes
    yield from protection_notes(previous, parameters)
    yield from storage_notes(previous, parameters)
    boundary = parameters["PermissionsBoundary"]
    if boundary and boundary != previous.get("PermissionsBoundary"):
        yield f"permissions boundary of the roles: {boundary}"
    if tags.all and tags.changed:
        yield f"tags of all resources that can have tags: {as_text(tags.all)}"
    if tags.dropped:
        yield f"tags to be removed: {', '.join(tags.dropped)}"
    if lock_vpc.is_kept:
        yield f"the VPC of the locks stays for now: {lock_vpc.reason}"
    alarms = count_alarms(previous, start.line.live_template), count_alarms(parameters, template)
    yield from operation_notes(previous, parameters, alarms)
