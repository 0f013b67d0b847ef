"""The target of an operation: a template with the values of its parameters, in an account and a region.

A value is PENDING in a plan if only the execution of a change determines it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation import intrinsics
from sldb.emulator.cloudformation.resources import TYPES
from sldb.emulator.cloudformation.template import Template, invalid

PENDING = "{{changeSet:KNOWN_AFTER_APPLY}}"


@dataclass(frozen=True, slots=True)
class Known:
    """The values of Ref and Fn::GetAtt for a resource."""

    ref: str
    attributes: Mapping[str, str] | None = field(default_factory=dict)  # None: all of them are pending

    def attribute(self, logical_id: str, name: str) -> str:
        if self.attributes is None:
            return PENDING
        if name not in self.attributes:
            raise invalid(f"Template error: resource {logical_id} does not support attribute type {name} in Fn::GetAtt")
        return self.attributes[name]


UNKNOWN = Known(PENDING, None)


@dataclass(frozen=True)
class Target:
    template: Template
    parameters: Mapping[str, str]
    stack_name: str
    stack_id: str
    region: str
    tags: Mapping[str, str] = field(default_factory=dict)  # of the stack

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The resources without those of false conditions, each after its dependencies."""
        return tuple(name for name in self.template.order if self._wanted(self.template.resources[name]))

    def properties(self, logical_id: str, resources: Mapping[str, Known]) -> dict[str, Any]:
        found = self._resolve(self.template.properties_of(logical_id), resources)
        assert isinstance(found, dict)
        handler = TYPES[self.template.type_of(logical_id)]
        name = handler.tags_property
        if self.tags and name in handler.properties:
            if handler.tags_are_object:
                return {**found, name: {**self.tags, **found.get(name, {})}}
            return {**found, name: self._with_tags_of_stack(found.get(name, []))}
        return found

    def _with_tags_of_stack(self, own: list[dict[str, str]]) -> list[dict[str, str]]:
        """Return the tags of a resource: those of the stack, and its own, which win."""
        keys = {tag["Key"] for tag in own}
        return [*own, *({"Key": key, "Value": value} for key, value in self.tags.items() if key not in keys)]

    def outputs(self, resources: Mapping[str, Known]) -> list[dict[str, str]]:
        return [
            {
                "OutputKey": name,
                "OutputValue": str(self._resolve(output["Value"], resources)),
                "Description": output.get("Description", ""),
            }
            for name, output in self.template.outputs.items()
            if self._wanted(output)
        ]

    def _wanted(self, section: Mapping[str, Any]) -> bool:
        return "Condition" not in section or _Names(self, {}).condition(section["Condition"])

    def _resolve(self, value: Any, resources: Mapping[str, Known]) -> Any:
        return intrinsics.evaluate(value, _Names(self, resources))


@dataclass(frozen=True, slots=True)
class _Names:
    target: Target
    resources: Mapping[str, Known]

    def ref(self, name: str) -> Any:
        target = self.target
        if name in target.parameters:
            value = target.parameters[name]
            is_list = target.template.parameters[name]["Type"] == "CommaDelimitedList"
            return [item.strip() for item in value.split(",")] if is_list else value
        if name in self.resources:
            return self.resources[name].ref
        pseudo: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": intrinsics.NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": target.region,
            "AWS::StackId": target.stack_id,
            "AWS::StackName": target.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name not in pseudo:
            raise _unresolved(name)
        return pseudo[name]

    def attribute(self, name: str, attribute: str) -> str:
        if name not in self.resources:
            raise _unresolved(name)
        return self.resources[name].attribute(name, attribute)

    def condition(self, name: str) -> bool:
        conditions = self.target.template.conditions
        if name not in conditions:
            raise invalid(f"Template format error: Unrecognized condition {name}")
        return intrinsics.holds(conditions[name], self)


def _unresolved(name: str) -> AwsError:
    return invalid(
        f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
    )
