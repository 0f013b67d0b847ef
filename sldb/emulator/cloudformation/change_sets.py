"""Change sets: the difference between a stack and a target, and its execution status."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.change import Change
from sldb.emulator.cloudformation.plan import plan
from sldb.emulator.cloudformation.stack import ChangeSet, Stack, now
from sldb.emulator.cloudformation.target import Target

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def new_change_set(
    stack: Stack,
    target: Target,
    given: Mapping[str, Any],
    creates: bool,
    actual: Mapping[str, Any] | None,
) -> ChangeSet:
    changes, differs = changes_between(stack, target, actual)
    return ChangeSet(
        name=given["ChangeSetName"],
        id=f"arn:aws:cloudformation:{stack.region}:{ACCOUNT}:changeSet/{given['ChangeSetName']}/{uuid.uuid4()}",
        target=target,
        creates=creates,
        changes=changes,
        status="CREATE_COMPLETE" if differs else "FAILED",
        status_reason="" if differs else NO_CHANGES,
        execution_status="AVAILABLE" if differs else "UNAVAILABLE",
        description=given.get("Description", ""),
        capabilities=given.get("Capabilities", []),
        created_at=now(),
        actual=actual,
    )


def changes_between(
    stack: Stack, target: Target, actual: Mapping[str, Any] | None = None
) -> tuple[tuple[Change, ...], bool]:
    """Return the changes of resources, and True if there are changes of any kind (tags, policies, outputs)."""
    changes = plan(target, stack.resources, actual)
    if changes or stack.target is None:
        return changes, bool(changes)
    known = {name: resource.known for name, resource in stack.resources.items()}
    policies_differ = any(
        target.template.resources[name].get(attribute, "Delete") != value
        for name, resource in stack.resources.items()
        for attribute, value in (
            ("DeletionPolicy", resource.deletion_policy),
            ("UpdateReplacePolicy", resource.replace_policy),
        )
    )
    if target.tags != stack.target.tags:
        return changes, True
    return changes, policies_differ or target.outputs(known) != stack.outputs


def wrong_state(change_set: ChangeSet) -> AwsError:
    return AwsError(
        "InvalidChangeSetStatus",
        f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}], "
        f"execution status [{change_set.execution_status}]",
    )
