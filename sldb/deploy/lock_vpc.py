"""The VPC of the locks, after a change to another kind of lock: it stays as long as a lock may be in it.

A VPC with a group in it cannot be deleted, and a function with the earlier settings may still make one. So the
deployment that changes the kind of the locks keeps the VPC. A later one removes it, once no such request can be under
way any more, and frees abandoned locks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.shared.lock_holder import Holder
from sldb.stack.lock_groups import delete_lock_group, list_lock_groups, list_security_groups

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from sldb.deploy.progress import Progress
    from sldb.stack.state import StackState

SECURITY_GROUP = "security-group"


@dataclass(frozen=True, slots=True)
class LockVpc:
    """The plan for the VPC if the new kind of lock needs none."""

    is_kept: bool = False
    reason: str = ""  # for keeping it
    abandoned: tuple[Holder, ...] = ()  # locks to be freed before it is removed
    removed_id: str = ""  # of the VPC


def plan_lock_vpc(ec2: EC2Client, stack: str, state: StackState | None, kind: str, now: float) -> LockVpc:
    """Return the plan for the VPC. `kind`: of the locks from now on; `now`: unix seconds."""
    if kind == SECURITY_GROUP or state is None or not state.lock_vpc:
        return LockVpc()
    if state.lock_kind == SECURITY_GROUP:
        return LockVpc(
            is_kept=True, reason="requests under way may still take a lock in it; a later `sldb deploy` removes it"
        )
    max_age_seconds = state.lock_max_age_seconds  # longer than any request takes
    if now - state.updated_at < max_age_seconds:
        return LockVpc(
            is_kept=True, reason="the last deployment was a moment ago, and requests from before it may still run"
        )
    held = list_lock_groups(ec2, stack, state.lock_vpc)
    old = tuple(lock for lock in held if (age := lock.age_seconds(now)) is not None and age > max_age_seconds)
    if others := _group_ids(ec2, state.lock_vpc) - {lock.lock_id for lock in old}:
        return LockVpc(is_kept=True, reason=f"there are security groups in it: {', '.join(sorted(others))}")
    return LockVpc(abandoned=old, removed_id=state.lock_vpc)


def free_abandoned(ec2: EC2Client, locks: Collection[Holder], progress: Progress) -> None:
    """Delete the locks of dead writers, and report it."""
    for lock in locks:
        delete_lock_group(ec2, lock)
    if locks:
        progress.note(f"freed {len(locks)} abandoned lock{'s' if len(locks) > 1 else ''}")


def _group_ids(ec2: EC2Client, vpc_id: str) -> set[str]:
    """Return the ids of all groups but the default one: that is deleted with the VPC."""
    groups = list_security_groups(ec2, {"vpc-id": vpc_id}, f"look for security groups in {vpc_id}")
    return {group["GroupId"] for group in groups if group["GroupName"] != "default"}
