"""A template: text → checked value. Raises AwsError ValidationError with CloudFormation's words.

Unsupported sections and attributes are refused, not skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.cloudformation import intrinsics

_SECTIONS = {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Conditions", "Resources", "Outputs"}
_ATTRIBUTES = {"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"}
_PARAMETER_TYPES = {"String", "Number", "CommaDelimitedList"}


@dataclass(frozen=True)
class Template:
    text: str
    document: Mapping[str, Any]

    @property
    def description(self) -> str | None:
        return self.document.get("Description")

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        return self.document.get("Parameters") or {}

    @property
    def conditions(self) -> Mapping[str, Any]:
        return self.document.get("Conditions") or {}

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        return self.document["Resources"]  # type: ignore[no-any-return]

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        return self.document.get("Outputs") or {}

    def type_of(self, logical_id: str) -> str:
        return str(self.resources[logical_id]["Type"])

    def properties_of(self, logical_id: str) -> Mapping[str, Any]:
        return self.resources[logical_id].get("Properties") or {}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The resources, each after its dependencies."""
        needs = {name: self._needs(name) for name in self.resources}
        try:
            return tuple(TopologicalSorter(needs).static_order())
        except CycleError as error:
            raise invalid(
                f"Circular dependency between resources: [{', '.join(sorted(set(error.args[1])))}]"
            ) from error

    def _needs(self, logical_id: str) -> set[str]:
        depends_on = self.resources[logical_id].get("DependsOn", [])
        named = {depends_on} if isinstance(depends_on, str) else set(depends_on)
        referred = {reference.name for reference in intrinsics.references(self.properties_of(logical_id))}
        return (named | referred) & set(self.resources)


@lru_cache(maxsize=8)  # one deployment sends the same text several times
def load(text: str) -> Template:
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)  # nosec B506 - a safe loader
    except (ValueError, yaml.YAMLError) as error:
        raise invalid(f"Template format error: {error}") from error
    if not isinstance(document, dict) or not document.get("Resources"):
        raise invalid("Template format error: At least one Resources member must be defined.")
    template = Template(text, document)
    _check_sections(template)
    _check_references(template)
    _ = template.order
    return template


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _check_sections(template: Template) -> None:
    if unknown := sorted(set(template.document) - _SECTIONS):
        raise NotEmulated(f"the template section {unknown[0]}")
    for name, resource in template.resources.items():
        if unknown := sorted(set(resource) - _ATTRIBUTES):
            raise NotEmulated(f"the attribute {unknown[0]} of the resource {name}")
        if "Type" not in resource:
            raise invalid(
                f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            )
    for name, parameter in template.parameters.items():
        if parameter.get("Type") not in _PARAMETER_TYPES:
            raise NotEmulated(f"the type {parameter.get('Type')} of the parameter {name}")
    for name, output in template.outputs.items():
        if "Export" in output:
            raise NotEmulated(f"Export of the output {name}")


def _check_references(template: Template) -> None:
    known = set(template.resources) | set(template.parameters)
    for where, section in (("Resources", template.resources), ("Outputs", template.outputs)):
        found = {
            reference.name for reference in intrinsics.references(section) if not reference.name.startswith("AWS::")
        }
        if unknown := sorted(found - known):
            raise invalid(
                f"Template format error: Unresolved resource dependencies [{', '.join(unknown)}] in the {where} block "
                "of the template"
            )
    for name, resource in template.resources.items():
        condition = resource.get("Condition")
        if condition is not None and condition not in template.conditions:
            raise invalid(f"Template format error: Unrecognized conditions [{condition}] in the resource {name}")
        depends_on = resource.get("DependsOn", [])
        for other in [depends_on] if isinstance(depends_on, str) else depends_on:
            if other not in template.resources:
                raise invalid(
                    f"Template format error: Unresolved resource dependencies [{other}] in the Resources block "
                    "of the template"
                )


def parameter_values(template: Template, given: list[dict[str, Any]], previous: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every parameter: given, as before, or the default. Values are text."""
    names = {entry["ParameterKey"] for entry in given}
    if unknown := sorted(names - set(template.parameters)):
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {
        name: _text(parameter["Default"]) for name, parameter in template.parameters.items() if "Default" in parameter
    }
    for entry in given:
        name = entry["ParameterKey"]
        if not entry.get("UsePreviousValue"):
            values[name] = entry.get("ParameterValue", "")
        elif name in previous:
            values[name] = previous[name]
        else:
            raise invalid(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a new parameter"
            )
    if missing := [name for name in template.parameters if name not in values]:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in values.items():
        _check_value(name, template.parameters[name], value)
    return values


def _check_value(name: str, parameter: Mapping[str, Any], value: str) -> None:
    allowed = [_text(each) for each in parameter.get("AllowedValues", [])]
    if allowed and value not in allowed:
        raise invalid(parameter.get("ConstraintDescription") or f"Parameter '{name}' must be one of AllowedValues")
    pattern = parameter.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        raise invalid(f"Parameter {name} failed to satisfy constraint: must match pattern {pattern}")
    if parameter["Type"] == "Number":
        _check_number(name, parameter, value)
        return
    shortest, longest = int(parameter.get("MinLength", 0)), int(parameter.get("MaxLength", 4096))
    if not shortest <= len(value) <= longest:
        raise invalid(f"Parameter '{name}' must contain at least {shortest} and at most {longest} characters")


def _check_number(name: str, parameter: Mapping[str, Any], value: str) -> None:
    try:
        number = float(value)
    except ValueError:
        raise invalid(f"Parameter '{name}' must be a number.") from None
    if "MinValue" in parameter and number < float(parameter["MinValue"]):
        raise invalid(f"Parameter '{name}' must be a number not less than {parameter['MinValue']}")
    if "MaxValue" in parameter and number > float(parameter["MaxValue"]):
        raise invalid(f"Parameter '{name}' must be a number not greater than {parameter['MaxValue']}")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # a class without types
    """YAML with CloudFormation's short forms: !Ref x is {"Ref": x}. With libyaml, which all wheels of PyYAML have, it
    takes 0.02 s for sldb's template, without it 0.1 s."""


def _construct_short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _construct_short_form)
# A policy's Version: 2012-10-17 is text, not a date.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
