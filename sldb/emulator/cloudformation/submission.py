"""The template, parameters, tags and capabilities of a request, checked with CloudFormation's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.cloudformation.resources import TYPES
from sldb.emulator.cloudformation.stack import Stack
from sldb.emulator.cloudformation.target import Target
from sldb.emulator.cloudformation.template import Template, invalid, load, parameter_values

MAX_TAGS = 50
MAX_BODY_BYTES = 51_200
_NAMED_IAM = {"AWS::IAM::Role": "RoleName"}
_IAM_TYPES = {"AWS::IAM::Role", "AWS::IAM::Policy"}


def submitted_target(stack: Stack, given: Mapping[str, Any]) -> Target:
    """Return the target of a request to create or update `stack`. Raises AwsError if it lacks a capability."""
    template = submitted_template(given, stack.target)
    previous = stack.target.parameters if stack.target is not None else {}
    parameters = parameter_values(template, given.get("Parameters", []), previous)
    target = Target(template, parameters, stack.name, stack.id, stack.region, _tags(stack, given))
    _check_supplied(template, target.order)
    _check_capabilities(template, given.get("Capabilities", []))
    return target


def submitted_template(given: Mapping[str, Any], previous: Target | None = None) -> Template:
    """Return the template of a request. Raises NotEmulated for an unsupported type or property of a resource without a
    condition."""
    template = load(_body(given, previous))
    _check_supplied(template, [name for name, each in template.resources.items() if "Condition" not in each])
    return template


def _tags(stack: Stack, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of the request; those of the stack if it has none."""
    if "Tags" not in given:
        return dict(stack.target.tags) if stack.target is not None else {}
    tags = {tag["Key"]: tag["Value"] for tag in given["Tags"]}
    if reserved := [key for key in tags if key.lower().startswith("aws:")]:
        raise invalid(f"aws: prefixed tag key names are not allowed for external use: {reserved[0]}")
    if len(tags) > MAX_TAGS:
        raise invalid(f"Number of tags exceeds the limit of {MAX_TAGS}")
    return tags


def _body(given: Mapping[str, Any], previous: Target | None) -> str:
    if given.get("UsePreviousTemplate") and previous is not None:
        return previous.template.text
    if ("TemplateBody" in given) == ("TemplateText" in given):
        raise invalid("Either Template URL or Template Body must be specified.")
    if "TemplateText" in given:  # that of the URL
        return str(given["TemplateText"])
    body = str(given["TemplateBody"])
    if len(body.encode()) > MAX_BODY_BYTES:
        raise invalid(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_BODY_BYTES}"
        )
    return body


def _check_supplied(template: Template, names: Iterable[str]) -> None:
    """Raise NotEmulated for an unsupported type or property."""
    for name in names:
        definition = template.resources[name]
        resource_type = TYPES.get(definition["Type"])
        if resource_type is None:
            raise NotEmulated(f"{definition['Type']} (the resource {name})")
        if unknown := sorted(set(definition.get("Properties") or {}) - resource_type.properties):
            raise NotEmulated(f"the property {unknown[0]} of {definition['Type']} (the resource {name})")


def capabilities_needed(template: Template) -> str | None:
    named = any(
        _NAMED_IAM.get(template.type_of(name), "") in template.properties_of(name) for name in template.resources
    )
    if named:
        return "CAPABILITY_NAMED_IAM"
    has_iam = any(template.type_of(name) in _IAM_TYPES for name in template.resources)
    return "CAPABILITY_IAM" if has_iam else None


def _check_capabilities(template: Template, given: list[str]) -> None:
    needed = capabilities_needed(template)
    enough = {"CAPABILITY_NAMED_IAM", needed}
    if needed is not None and not enough & set(given):
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
