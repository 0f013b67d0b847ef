"""What a deployment will do, as frozen values: shown to the user, judged by rules, then applied. Pure.

A plan is read from a CloudFormation change set; what the deployer does on its own (the bucket of bundles, the upload)
is in it too. Two rules judge it: nothing may remove or replace what holds the data; and where nobody can be asked,
nothing may be removed or replaced but what holds nothing: the VPC of the locks, once no lock is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sldb.aws.errors import OperationFailed
from sldb.stack import statuses
from sldb.stack.changes import DATA_BUCKET, Change

if TYPE_CHECKING:
    from sldb.deploy.losses import Loss


class Kind(Enum):
    CREATE = "create"
    UPDATE = "update"
    UP_TO_DATE = "up to date"


@dataclass(frozen=True, slots=True)
class BundleStep:
    """The code, and how it gets to where Lambda can read it."""

    bucket: str
    key: str
    unpacked_bytes: int
    makes_bucket: bool
    uploads: bool  # False: it is there already


@dataclass(frozen=True, slots=True)
class Plan:
    kind: Kind
    stack: str
    account: str
    region: str
    bundle: BundleStep
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()  # what the user should know before
    losses: tuple[Loss, ...] = ()  # what is gone, and is made anew
    empty: tuple[str, ...] = ()  # logical ids of what was found to hold nothing, and may go unasked

    @property
    def up_to_date(self) -> bool:
        return self.kind is Kind.UP_TO_DATE

    @property
    def destructive(self) -> tuple[Change, ...]:
        """What goes. A right that was given to what is gone goes with it, and a new one is given."""
        kept = (change for change in self.changes if not (self.losses and change.replaces and change.is_right))
        going = (change for change in kept if change.removes or change.replaces)
        return tuple(change for change in going if not (change.removes and change.logical_id in self.empty))


def refuse_to_lose_data(changes: Iterable[Change]) -> None:
    """Raises OperationFailed for a plan that takes the data bucket out of the stack or puts another in its place."""
    for change in changes:
        if change.logical_id == DATA_BUCKET and (change.removes or change.replaces):
            what = "remove" if change.removes else "replace"
            raise OperationFailed(
                f"refused: this would {what} {DATA_BUCKET}, which holds the databases",
                "deploy with the version of sldb that made this stack, or deploy a new stack with --stack",
                applied="no",
            )


def refuse_to_overlook(stack: str, losses: Iterable[Loss], changes: Iterable[Change]) -> None:
    """Raises OperationFailed where CloudFormation would not make anew all that is gone."""
    changing = {change.logical_id for change in changes}
    overlooked = [loss.says for loss in losses if loss.logical_id not in changing]
    if overlooked:
        raise OperationFailed(
            f"{'; '.join(overlooked)}, and CloudFormation does not see it", statuses.anew(stack), applied="no"
        )


def refuse_unasked(plan: Plan) -> None:
    """Raises OperationFailed where nobody can be asked and the plan removes or replaces something."""
    if plan.destructive:
        names = ", ".join(change.logical_id for change in plan.destructive)
        raise OperationFailed(
            f"refused: this would remove or replace {names}, and there is no terminal to ask on",
            "look at it with --plan, and give --yes if it is meant",
            applied="no",
        )
