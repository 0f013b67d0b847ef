"""A change to one resource, as a change set lists it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sldb.emulator.cloudformation.resources import TYPES


@dataclass(frozen=True, slots=True)
class Change:
    action: str  # Add, Modify or Remove
    logical_id: str
    type: str
    physical_id: str = ""
    properties: tuple[str, ...] = ()  # that change
    replacement: str | None = None  # of a Modify: True, False or Conditional
    policy_action: str | None = None  # the treatment of a resource that is removed or replaced
    uncertain: tuple[str, ...] = ()  # those of `properties` whose value is not known yet
    drift: str | None = None  # of a drift-aware change set: IN_SYNC, MODIFIED or DELETED

    def encode(self) -> dict[str, Any]:
        """Return the member of DescribeChangeSet's answer."""
        replaces = TYPES[self.type].replaces if self.type in TYPES else frozenset[str]()
        change = {
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "PhysicalResourceId": self.physical_id or None,
            "ResourceType": self.type,
            "Replacement": self.replacement,
            "PolicyAction": self.policy_action,
            "ResourceDriftStatus": self.drift,
            "Scope": ["Properties"] if self.properties else [],
            "Details": [_detail(name, name in replaces, name in self.uncertain) for name in self.properties],
        }
        return {"Type": "Resource", "ResourceChange": change}


def _detail(name: str, replaces: bool, uncertain: bool) -> dict[str, Any]:
    return {
        "Target": {
            "Attribute": "Properties",
            "Name": name,
            "RequiresRecreation": "Always" if replaces else "Never",
        },
        "Evaluation": "Dynamic" if uncertain else "Static",
        "ChangeSource": "ResourceAttribute" if uncertain else "DirectModification",
    }
