"""`sldb deploy`: prepare a plan, and apply it.

    with prepared(…) as deployment:      # nothing that costs or serves anything has changed yet
        show(deployment.plan)
        deployment.apply()               # else the prepared change set is dropped on the way out

Preparing builds the bundle on this machine and lets CloudFormation work out the changes. Applying makes the bucket of
bundles where it is missing, uploads the bundle if it is not there, executes the change set and follows it to its end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed
from sldb.deploy.buckets import stack_of, tag
from sldb.deploy.bundle.archive import Bundle, build
from sldb.deploy.bundle.platform import Platform
from sldb.deploy.bundle_bucket import BundleBucket
from sldb.deploy.lock_vpc import BY_GROUPS, LockVpc, what_becomes
from sldb.deploy.losses import Survey, survey
from sldb.deploy.parameters import Choices, check_stack_name, resolve
from sldb.deploy.plan import BundleStep, Kind, Plan, refuse_to_lose_data, refuse_to_overlook
from sldb.deploy.progress import Progress, failure
from sldb.deploy.repair import bucket_made, check_data, finish_rollback, restore_code, told
from sldb.deploy.tags import Tags, as_text, for_locks
from sldb.deploy.template import template_text
from sldb.deploy.versions import keep
from sldb.stack import statuses
from sldb.stack.account import Account, bucket_exists
from sldb.stack.changes import LOCK_VPC
from sldb.stack.cloudformation import Stack
from sldb.stack.lock_groups import free
from sldb.stack.ownership import TAG
from sldb.stack.state import ChangeSet, StackState


@dataclass(slots=True)
class Deployment:
    plan: Plan
    account: Account
    stack: Stack
    bucket: BundleBucket
    bundle: Bundle
    progress: Progress
    change_set: ChangeSet | None  # None: nothing to do
    parameters: Mapping[str, str]  # of the stack, as wanted
    sets_versions: bool = False  # it was asked for
    had_versions: bool = False  # deleted objects could be had back until now
    tags: Tags = field(default_factory=Tags)
    lock_vpc: LockVpc = field(default_factory=LockVpc)
    executed: bool = False

    def present(self) -> StackState:
        """Return the state of the stack, which is there."""
        state = self.stack.describe()
        assert state is not None
        return state

    def apply(self) -> StackState:
        """Raises OperationFailed with the first failure of the stack as the reason."""
        if self.plan.up_to_date:
            raise ValueError("there is nothing to apply")
        self._send_bundle()
        self._free_abandoned_locks()
        state = self._execute(self.change_set) if self.change_set else self.present()
        for loss in self.plan.losses:
            if loss.code_of:
                restore_code(self.account, loss.code_of, self.bucket.name, self.bundle.key, self.progress)
        self.keep_versions()
        self._tag_beside_the_stack()
        return state

    def _free_abandoned_locks(self) -> None:
        if abandoned := self.lock_vpc.abandoned:
            free(self.account.ec2, abandoned)
            self.progress.note(f"freed {len(abandoned)} abandoned lock{'s' if len(abandoned) > 1 else ''}")

    def _tag_beside_the_stack(self) -> None:
        """The buckets that are not of the template: CloudFormation tags its own."""
        if self.tags.all or self.tags.dropped:
            for bucket in filter(None, (self.bucket.name, self.parameters["ExistingBucket"])):
                tag(self.account.s3, bucket, self.account.id, self.tags.all, self.tags.dropped)

    def _execute(self, change_set: ChangeSet) -> StackState:
        operation = self.stack.execute(change_set)
        self.executed = True
        state, events = self.stack.follow(operation, self.progress.event)
        if state.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise failure(self.stack.name, state, events)
        if any(event.failed and event.logical_id == LOCK_VPC for event in events):
            self.progress.note(_left_behind(self.lock_vpc.goes))
        return state

    def keep_versions(self) -> None:
        """Set the bucket as the stack says, also where its settings were changed by hand."""
        days, adopted = int(self.parameters["RecoverableDays"]), self.parameters["ExistingBucket"]
        bucket = adopted or self.account.data_bucket(self.stack.name)
        if not (days or self.had_versions or self.sets_versions or adopted):
            return
        if keep(self.account.s3, bucket, self.account.id, days):
            says = f"can be had back for {days} days" if days else "are kept no more"
            self.progress.note(f"what is deleted from {bucket} from now on: versions {says}")

    def drop(self) -> None:
        if self.change_set is not None and not self.executed:
            self.stack.drop(self.change_set)

    def _send_bundle(self) -> None:
        step = self.plan.bundle
        if step.makes_bucket:
            self.bucket.create()
            self.progress.note(f"made the bucket {step.bucket}")
        if step.uploads:
            body = self.bundle.zip
            self.progress.note(f"uploading the bundle ({len(body) / 1e6:.1f} MB)")
            self.bucket.upload(step.key, body)


@contextmanager
def prepared(
    account: Account,
    name: str,
    choices: Choices,
    environment: Mapping[str, str],
    progress: Progress,
    *,
    only_plan: bool = False,
) -> Iterator[Deployment]:
    """A deployment that is ready to be applied. Dropped on the way out, unless it was.

    Raises OperationFailed for a state or a plan that must not go on, `conflict` if somebody else is at it.
    """
    check_stack_name(name)
    stack = Stack(account.cloudformation, name)
    state = stack.describe_ours()
    step = statuses.next_step(name, state.status if state else None)
    exists = step in (statuses.Step.UPDATE, statuses.Step.RESUME)
    tags = Tags.choose(state.tags if state else {}, choices.tags, choices.untag)
    previous = state.parameters if state and exists else {}
    parameters = resolve(name, choices, {**environment, **account.variants}, previous)
    progress.note(f"building the bundle for {parameters['Runtime']} on {parameters['Architecture']}")
    bundle = build(
        Platform.choose(parameters["Runtime"], parameters["Architecture"], environment.get("SLDB_BUNDLE_PLATFORM"))
    )
    if step is statuses.Step.RECREATE and state:
        _clear_away(stack, state, progress, only_plan=only_plan)
    present = state if exists else None
    found = survey(account, stack, present) if present else Survey(0)
    check_data(name, found, asked_for_new=choices.new_bucket)
    if step is statuses.Step.RESUME and state:
        finish_rollback(stack, state, found, progress, only_plan=only_plan)
    progress.note("working out the changes")
    vpc = what_becomes(account.ec2, name, present, parameters["LockKind"], time.time())
    parameters = {**parameters, **_derived(parameters, tags, vpc)}
    plan, change_set, wanted = _plan(account, stack, present, parameters, bundle, found, tags)
    empty = () if vpc.keeps else (LOCK_VPC,)
    plan = replace(plan, notes=(*plan.notes, *_notes(parameters, tags, vpc)), empty=empty)
    deployment = Deployment(plan, account, stack, BundleBucket.of(account, name), bundle, progress, change_set, wanted)
    deployment.sets_versions = choices.recoverable_days is not None
    deployment.had_versions = previous.get("RecoverableDays", "0") != "0"
    deployment.tags, deployment.lock_vpc = tags, vpc
    try:
        refuse_to_lose_data(plan.changes)
        refuse_to_overlook(name, found.of_stack, plan.changes)
        yield deployment
    except BaseException:
        with suppress(SldbError):  # what went wrong first says more
            deployment.drop()
        raise
    deployment.drop()


def _clear_away(stack: Stack, state: StackState, progress: Progress, *, only_plan: bool) -> None:
    why = f"the stack {stack.name} never came into being ({state.status})"
    if only_plan:
        raise OperationFailed(f"{why}: there is nothing to plan against", "`sldb deploy` deletes it and makes it anew")
    progress.note(f"{why}: deleting what is left of it, then making it anew")
    after, events = stack.follow(stack.delete(state), progress.event)
    if not after.gone:
        raise failure(stack.name, after, events)


def _derived(parameters: Mapping[str, str], tags: Tags, vpc: LockVpc) -> dict[str, str]:
    """The parameters that follow from the others and from what is there."""
    of_locks = for_locks(tags.all) if parameters["LockKind"] == BY_GROUPS else ""
    return {"LockTags": of_locks, "KeepLockVpc": str(vpc.keeps).lower()}


def _notes(parameters: Mapping[str, str], tags: Tags, vpc: LockVpc) -> Iterator[str]:
    if boundary := parameters["PermissionsBoundary"]:
        yield f"permissions boundary of the roles: {boundary}"
    if tags.all:
        yield f"tags of all that can have some: {as_text(tags.all)}"
    if tags.dropped:
        yield f"tags that are taken off: {', '.join(tags.dropped)}"
    if vpc.keeps:
        yield f"the VPC of the locks stays for now: {vpc.why}"


def _left_behind(vpc_id: str) -> str:
    return (
        f"the VPC {vpc_id} could not be deleted, and is none of the stack's any more; when nothing is in it: "
        f"aws ec2 delete-vpc --vpc-id {vpc_id}"
    )


def _plan(
    account: Account,
    stack: Stack,
    state: StackState | None,
    parameters: Mapping[str, str],
    bundle: Bundle,
    found: Survey,
    tags: Tags,
) -> tuple[Plan, ChangeSet | None, dict[str, str]]:
    step = _bundle_step(BundleBucket.of(account, stack.name), bundle)
    existing, notes = ("", ()) if found.data else _data_bucket(account, stack.name, state)
    bundled = {"BundleBucket": step.bucket, "BundleKey": step.key}
    wanted = {**parameters, **bundled, "ExistingBucket": existing, "BucketMade": bucket_made(found, state)}
    template = template_text()
    change_set = None
    if tags.changed or found.of_stack or not _is_up_to_date(stack, state, template, wanted):
        change_set = stack.prepare(template, wanted, tags.sent, creates=state is None, mends=bool(found.of_stack))
    has_work = change_set is not None or bool(found.losses)
    kind = Kind.UP_TO_DATE if not has_work else Kind.CREATE if state is None else Kind.UPDATE
    changes = change_set.changes if change_set else ()
    notes = (*notes, *told(found))
    return Plan(kind, stack.name, account.id, account.region, step, changes, notes, found.losses), change_set, wanted


def _bundle_step(bucket: BundleBucket, bundle: Bundle) -> BundleStep:
    found = bucket.exists()
    there = found and bucket.has(bundle.key)
    return BundleStep(bucket.name, bundle.key, bundle.unpacked_bytes, makes_bucket=not found, uploads=not there)


def _data_bucket(account: Account, name: str, state: StackState | None) -> tuple[str, tuple[str, ...]]:
    """The parameter ExistingBucket, and what to say about it: a stack keeps what it has, a new one finds it again."""
    adopted = state.parameters.get("ExistingBucket", "") if state else ""
    if state is not None and not adopted:
        return "", ()
    bucket = adopted or account.data_bucket(name)
    if not bucket_exists(account.s3, bucket, account.id):
        return adopted, ()
    _refuse_to_adopt_others(account, name, bucket)
    if adopted:
        return adopted, ()
    return bucket, (f"found the data of an earlier stack in {bucket}: the databases in it will be served again",)


def _refuse_to_adopt_others(account: Account, name: str, bucket: str) -> None:
    """Raises OperationFailed where no stack of this name left the bucket behind."""
    if (owner := stack_of(account.s3, bucket, account.id)) == name:
        return
    says = f"its tag {TAG} names the stack {owner}" if owner else f"it has no tag {TAG}"
    raise OperationFailed(
        f"refused: there is a bucket {bucket}, which is none of the stack {name}: {says}",
        "deploy another stack with --stack; or, if databases of sldb are in the bucket, give it the tag: "
        f"aws s3api put-bucket-tagging --bucket {bucket} --tagging 'TagSet=[{{Key={TAG},Value={name}}}]'",
        applied="no",
    )


def _is_up_to_date(stack: Stack, state: StackState | None, template: str, wanted: Mapping[str, str]) -> bool:
    return state is not None and dict(state.parameters) == dict(wanted) and stack.template() == template
