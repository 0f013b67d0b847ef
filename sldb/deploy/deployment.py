"""`sldb deploy`: build, plan, execute.

    with prepared(…) as deployment:      # nothing that costs or serves anything has changed yet
        show(deployment.plan)
        deployment.apply()               # else the prepared change set is dropped on the way out

Preparing (`sldb.deploy.preparation`) builds the bundle and lets CloudFormation work out the changes. Applying uploads
the bundle if it is not in its bucket, executes the change set and follows it to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lambda_handlers.wire import SldbError
from sldb.deploy.bucket_tags import update_tags
from sldb.deploy.bundle_bucket import BundleBucket
from sldb.deploy.caller_rights import delete_api_keys, list_api_keys
from sldb.deploy.data_bucket import set_versions
from sldb.deploy.kept.records import Records
from sldb.deploy.lock_vpc import free_abandoned
from sldb.deploy.plan import Plan, refuse_data_loss, refuse_overlooked_losses
from sldb.deploy.preparation import Order, Preparation, prepare
from sldb.deploy.progress import Progress, left_behind, stack_failure
from sldb.deploy.protection.bucket import protect_adopted
from sldb.deploy.repair import restore_code
from sldb.stack.account import Account
from sldb.stack.api_addresses import api_addresses
from sldb.stack.cloudformation import Stack
from sldb.stack.resource_change import LOCK_VPC
from sldb.stack.state import ChangeSet, StackState


@contextmanager
def prepared(account: Account, order: Order, progress: Progress) -> Iterator[Deployment]:
    """Return a prepared deployment; drop it on the way out unless it was.

    Raises OperationFailed for a refused state or plan, `conflict` if another process is changing the stack.
    """
    deployment = Deployment(account, prepare(account, order, progress), progress)
    try:
        refuse_data_loss(deployment.plan.changes)
        refuse_overlooked_losses(deployment.preparation.losses.of_stack, deployment.plan.changes)
        yield deployment
    except BaseException:
        with suppress(SldbError):  # the first error says more
            deployment.drop()
        raise
    deployment.drop()


class Deployment:
    def __init__(self, account: Account, preparation: Preparation, progress: Progress) -> None:
        self.preparation = preparation
        self.executed = False
        self._account = account
        self._progress = progress
        self._stack = Stack(account.cloudformation, preparation.plan.stack)
        self._bucket = BundleBucket.of(account, preparation.plan.stack)
        self._records = Records(self._bucket.bucket)

    @property
    def plan(self) -> Plan:
        return self.preparation.plan

    def apply(self) -> StackState:
        """Return the state of the stack. Raises OperationFailed with the first failure of the stack as the reason."""
        if self.plan.up_to_date:
            raise ValueError("there is nothing to apply")
        self._upload_bundle()
        self.preparation.keep_live(self._records)
        free_abandoned(self._account.ec2, self.preparation.lock_vpc.abandoned, self._progress)
        change_set = self.preparation.change_set
        state = self._execute(change_set) if change_set else self.describe()
        if change_set:
            self._records.keep(self.preparation.version, self.preparation.template)
        self._restore_code()
        self.set_versions()
        self._tag_buckets()
        if self.preparation.protects_bucket:
            parameters = self.preparation.parameters
            protect_adopted(self._account.bucket(parameters["ExistingBucket"]), parameters)
        if self.preparation.loses_api_keys:
            delete_api_keys(self._account, list_api_keys(self._account, self.plan.stack), self._progress)
        return state

    def drop(self) -> None:
        """Drop the prepared change set, and the bucket made for it, unless it was executed."""
        change_set = self.preparation.change_set
        if change_set is None or self.executed:
            return
        self._stack.drop(change_set)
        if self.plan.bundle.makes_bucket:
            self._bucket.discard(self.preparation.template)

    def describe(self) -> StackState:
        """Return the state of the existing stack."""
        state = self._stack.describe()
        assert state is not None
        return state

    def api_addresses(self, state: StackState) -> dict[str, str]:
        """Return the URL of each API of the stack by its kind."""
        return api_addresses(self._account, state)

    def set_versions(self) -> None:
        """Set the versions of the data bucket as the stack says, also if its settings were changed by hand."""
        preparation = self.preparation
        note = set_versions(
            self._account, self.plan.stack, preparation.parameters, is_asked_for=preparation.sets_versions
        )
        if note:
            self._progress.note(note)

    def _upload_bundle(self) -> None:
        step = self.plan.bundle
        if step.makes_bucket:
            self._bucket.create()
            self._progress.note(f"created the bucket {step.bucket}")
        if step.uploads and self.preparation.bundle:
            body = self.preparation.bundle.zip
            self._progress.note(f"uploading the bundle ({len(body) / 1e6:.1f} MB)")
            with self._progress.working("uploading the bundle") as shown:
                self._bucket.upload(step.key, body, shown)

    def _execute(self, change_set: ChangeSet) -> StackState:
        operation = self._stack.execute(change_set)
        self.executed = True
        state, events = self._stack.follow(operation, self._progress.event)
        if state.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            for note in left_behind(events):
                self._progress.note(note)
            raise stack_failure(self.plan.stack, state, events)
        if any(event.failed and event.logical_id == LOCK_VPC for event in events):
            vpc_id = self.preparation.lock_vpc.removed_id
            self._progress.note(
                f"the VPC {vpc_id} could not be deleted, and no longer belongs to the stack; once it is empty: "
                f"aws ec2 delete-vpc --vpc-id {vpc_id}"
            )
        return state

    def _restore_code(self) -> None:
        for loss in self.plan.losses:
            if loss.other_code_in:
                bundle = self.plan.bundle
                restore_code(self._account, loss.other_code_in, bundle.bucket, bundle.key, self._progress)

    def _tag_buckets(self) -> None:
        """Tag the buckets outside the template: CloudFormation tags its own."""
        tags, adopted = self.preparation.tags, self.preparation.parameters["ExistingBucket"]
        if tags.all or tags.dropped:
            for name in filter(None, (self._bucket.name, adopted)):
                update_tags(self._account.bucket(name), tags.all, tags.dropped)
