"""The VPC of the locks, once the locks are no security groups: it is needed as long as one may be in it.

A VPC that holds a group cannot be deleted, and a function that is at work with the settings of before may still make
one. So the deployment that changes the kind of the locks keeps the VPC; a later one, when no such request can be under
way any more, takes it away, and frees what writers that are gone have left in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.shared.holder import Holder
from sldb.aws.errors import aws_errors
from sldb.stack.lock_groups import lock_groups

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from sldb.stack.state import StackState

BY_GROUPS = "security-group"


@dataclass(frozen=True, slots=True)
class LockVpc:
    """The fate of the VPC where the new kind of lock needs none."""

    keeps: bool = False
    why: str = ""  # it is kept
    abandoned: tuple[Holder, ...] = ()  # locks to be freed before it goes
    goes: str = ""  # its id, where it does


def what_becomes(ec2: EC2Client, stack: str, state: StackState | None, kind: str, now: float) -> LockVpc:
    """Return whether the VPC stays. `kind`: of the locks from now on; `now`: unix seconds."""
    vpc_id = state.outputs.get("LockVpc") if state else None
    if kind == BY_GROUPS or state is None or not vpc_id:
        return LockVpc()
    max_age_seconds = int(state.parameters.get("LockMaxAgeSeconds") or 0)  # longer than any request takes
    if state.parameters.get("LockKind") == BY_GROUPS:
        return LockVpc(
            keeps=True, why="requests under way may still take a lock in it; a later `sldb deploy` removes it"
        )
    if now - state.updated_at < max_age_seconds:
        return LockVpc(keeps=True, why="the last deployment was a moment ago, and requests of before may be under way")
    held = lock_groups(ec2, stack, vpc_id)
    old = tuple(lock for lock in held if (age := lock.age_seconds(now)) is not None and age > max_age_seconds)
    if others := _groups_in(ec2, vpc_id) - {lock.lock_id for lock in old}:
        return LockVpc(keeps=True, why=f"there are security groups in it: {', '.join(sorted(others))}")
    return LockVpc(abandoned=old, goes=vpc_id)


def _groups_in(ec2: EC2Client, vpc_id: str) -> set[str]:
    """Return the ids of all groups but the one that goes with the VPC."""
    with aws_errors(f"look for security groups in {vpc_id}"):
        pages = ec2.get_paginator("describe_security_groups").paginate(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
        groups = [group for page in pages for group in page["SecurityGroups"]]
    return {group["GroupId"] for group in groups if group["GroupName"] != "default"}
