"""The plan of a deployment, as frozen values: shown to the user, judged by rules, then applied. Pure.

A plan is decoded from a CloudFormation change set; the deployer's own steps (the bucket of bundles, the upload) are in
it too. Two rules judge it: no change may remove or replace the data bucket; and without a terminal to ask on, no change
may remove or replace anything but an empty resource: the VPC of the locks, once no lock is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sldb.aws.errors import OperationFailed
from sldb.stack.resource_change import DATA_BUCKET, FILE_SYSTEM, Change
from sldb.stack.statuses import REMAKE

if TYPE_CHECKING:
    from sldb.deploy.losses import Loss


KEY_API = "KeyApi"  # a logical id
# New ones serve at once: a queue keeps its messages, and an alias leaves a version for the next.
_TAKE_OVER = ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Version")
_PARTS_OF_API = ("AWS::ApiGateway::Deployment", "AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse")


class Kind(Enum):
    CREATE = "create"
    UPDATE = "update"
    UP_TO_DATE = "up to date"


@dataclass(frozen=True, slots=True)
class BundleStep:
    """The code, and its way into the bucket of bundles."""

    bucket: str
    key: str
    unpacked_bytes: int
    makes_bucket: bool
    uploads: bool  # False: it is there already
    has_bytecode: bool = True  # False: each cold start compiles the modules


@dataclass(frozen=True, slots=True)
class Plan:
    kind: Kind
    stack: str
    account: str
    region: str
    bundle: BundleStep
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()  # for the user, before the deployment
    losses: tuple[Loss, ...] = ()  # repaired by the deployment
    empty: tuple[str, ...] = ()  # logical ids of empty resources, which may be removed without a question

    @property
    def up_to_date(self) -> bool:
        return self.kind is Kind.UP_TO_DATE

    @property
    def destructive(self) -> tuple[Change, ...]:
        """The changes that remove or replace a resource. Not the permission of a lost resource: it is lost with it, and
        a new one is made. Not a new mapping of the queue or version of the function in place of the old one."""
        kept = (change for change in self.changes if not (self.losses and change.replaces and change.is_permission))
        going = (each for each in kept if each.removes or (each.replaces and each.type not in _TAKE_OVER))
        return tuple(change for change in going if not (change.removes and self._is_nothing(change)))

    def _is_nothing(self, change: Change) -> bool:
        """Return whether a resource is empty, or a part of an API that stays: a copy of its methods, its preflights."""
        loses_api = any(each.logical_id == KEY_API and each.removes for each in self.changes)
        return change.logical_id in self.empty or (change.type in _PARTS_OF_API and not loses_api)


def refuse_data_loss(changes: Iterable[Change]) -> None:
    """Raise OperationFailed for a plan that removes or replaces the data bucket."""
    for change in changes:
        # A file system may leave the stack, which keeps it, once its databases have moved.
        removes = change.removes and change.logical_id == DATA_BUCKET
        if change.logical_id in (DATA_BUCKET, FILE_SYSTEM) and (removes or change.replaces):
            verb = "remove" if removes else "replace"
            raise OperationFailed(
                f"refused: this would {verb} {change.logical_id}, which holds the databases",
                "deploy with the version of sldb that made this stack, or deploy a new stack with --stack",
                applied="no",
            )


def refuse_overlooked_losses(losses: Iterable[Loss], changes: Iterable[Change]) -> None:
    """Raise OperationFailed if CloudFormation would not create all lost resources again."""
    changing = {change.logical_id for change in changes}
    overlooked = [loss.says for loss in losses if loss.logical_id not in changing]
    if overlooked:
        raise OperationFailed(f"{'; '.join(overlooked)}, and CloudFormation does not detect it", REMAKE, applied="no")


def refuse_unconfirmed(plan: Plan) -> None:
    """Raise OperationFailed for a destructive plan: for use without a terminal."""
    if plan.destructive:
        names = ", ".join(change.logical_id for change in plan.destructive)
        raise OperationFailed(
            f"refused: this would remove or replace {names}, and there is no terminal to ask on",
            "check it with --plan, and add --yes to confirm it",
            applied="no",
        )
