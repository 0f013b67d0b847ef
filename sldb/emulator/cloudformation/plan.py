"""The plan: a stack's resources and a target → changes, in the order of their execution. Pure.

As in CloudFormation, a property with an Fn::GetAtt of a resource to be modified counts as changing, because its value
is not known yet; its execution may find that it does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.change import Change
from sldb.emulator.cloudformation.intrinsics import references
from sldb.emulator.cloudformation.resources import TYPES
from sldb.emulator.cloudformation.resources.base import Properties
from sldb.emulator.cloudformation.target import PENDING, UNKNOWN, Known, Target

if TYPE_CHECKING:
    from sldb.emulator.cloudformation.stack import Resource


def plan(
    target: Target, deployed: Mapping[str, Resource], actual: Mapping[str, Properties | None] | None = None
) -> tuple[Change, ...]:
    """Return the changes. `actual`: properties found by a drift-aware change set, None for a resource that is gone."""
    known: dict[str, Known] = {}
    changes: list[Change] = []
    modified: set[str] = set()
    for name in target.order:
        resource_type = target.template.type_of(name)
        old = deployed.get(name)
        if old is None:
            known[name] = UNKNOWN
            changes.append(Change("Add", name, resource_type))
            continue
        if old.type != resource_type:
            raise AwsError(
                "ValidationError",
                "Update of resource type is not permitted. The new template modifies resource type of the following "
                f"resources: [{name}]",
            )
        found = old.properties if actual is None else actual[name]
        if found is None:
            known[name] = UNKNOWN
            modified.add(name)
            changes.append(_made_again(target, old))
            continue
        change = _modification(target, replace(old, properties=found), known, modified)
        if change is not None and actual is not None:
            change = replace(change, drift="MODIFIED" if difference(found, old.properties) else "IN_SYNC")
        known[name] = old.known
        if change is not None:
            changes.append(change)
            modified.add(name)
            known[name] = old.known if change.replacement == "False" else UNKNOWN
    gone = [deployed[name] for name in reversed(list(deployed)) if name not in target.order]
    return (*changes, *(_removal(resource) for resource in gone))


def _made_again(target: Target, old: Resource) -> Change:
    names = tuple(target.template.properties_of(old.logical_id))
    return Change("Modify", old.logical_id, old.type, old.physical_id, names, replacement="True", drift="DELETED")


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the differing properties. A parameter's "60" and "true" are the 60 and true of a schema."""
    return tuple(name for name in dict.fromkeys((*old, *new)) if _typeless(old.get(name)) != _typeless(new.get(name)))


def _typeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _typeless(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_typeless(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _modification(target: Target, old: Resource, known: Mapping[str, Known], modified: set[str]) -> Change | None:
    new = target.properties(old.logical_id, known)
    written = target.template.properties_of(old.logical_id)
    changed = difference(old.properties, new)
    uncertain = {name for name in changed if PENDING in json.dumps(new.get(name))} | {
        name
        for name, value in written.items()
        for reference in references(value)
        if reference.attribute is not None and reference.name in modified
    }
    touched = tuple(dict.fromkeys((*changed, *sorted(uncertain))))
    if not touched:
        return None
    replaces = TYPES[old.type].replaces
    certain = any(name in replaces and name not in uncertain for name in touched)
    perhaps = any(name in replaces for name in touched)
    replacement = "True" if certain else "Conditional" if perhaps else "False"
    return Change(
        action="Modify",
        logical_id=old.logical_id,
        type=old.type,
        physical_id=old.physical_id,
        properties=touched,
        replacement=replacement,
        policy_action=f"ReplaceAnd{_kept(old.replace_policy)}" if replacement != "False" else None,
        uncertain=tuple(sorted(uncertain)),
    )


def _removal(resource: Resource) -> Change:
    return Change(
        "Remove",
        resource.logical_id,
        resource.type,
        resource.physical_id,
        policy_action=_kept(resource.deletion_policy),
    )


def _kept(policy: str) -> str:
    return "Retain" if policy.startswith("Retain") else "Delete"
