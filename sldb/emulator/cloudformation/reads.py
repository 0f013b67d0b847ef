"""CloudFormation's reading actions: the state of a stack, its change sets and its template."""

from __future__ import annotations

from typing import Any

from sldb.emulator.cloudformation import describe
from sldb.emulator.cloudformation.stacks import Stacks
from sldb.emulator.cloudformation.submission import capabilities_needed, submitted_template
from sldb.emulator.cloudformation.target import Target
from sldb.emulator.cloudformation.template import invalid


def describe_stacks(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    if "StackName" in given:
        return {"Stacks": [describe.stack(stacks.existing(region, given["StackName"]))]}
    live = [each for each in stacks.of_region(region) if each.deleted_at is None]
    return {"Stacks": [describe.stack(each) for each in live]}


def list_stacks(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    wanted = given.get("StackStatusFilter", [])
    found = stacks.of_region(region)
    return {"StackSummaries": [describe.stack_summary(each) for each in found if not wanted or each.status in wanted]}


def describe_stack_events(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"StackEvents": stacks.existing(region, given["StackName"]).events[::-1]}


def describe_stack_resources(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    stack = stacks.existing(region, given["StackName"])
    wanted = given.get("LogicalResourceId")
    found = [each for each in stack.statuses.values() if wanted in (None, each.logical_id)]
    return {"StackResources": [describe.resource(stack, each) for each in found]}


def list_stack_resources(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    stack = stacks.existing(region, given["StackName"])
    return {"StackResourceSummaries": [describe.resource_summary(each) for each in stack.statuses.values()]}


def describe_stack_resource(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    stack = stacks.existing(region, given["StackName"])
    name = given["LogicalResourceId"]
    if name not in stack.statuses:
        raise invalid(f"Resource {name} does not exist for stack {stack.name}")
    return {"StackResourceDetail": describe.resource_detail(stack, stack.statuses[name])}


def get_template(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    if "ChangeSetName" in given:
        target: Target | None = stacks.change_set(region, given)[1].target
    else:
        target = stacks.existing(region, given["StackName"]).target
    text = target.template.text if target else ""
    return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}


def validate_template(_stacks: Stacks, _region: str, given: dict[str, Any]) -> dict[str, Any]:
    template = submitted_template(given)
    needed = capabilities_needed(template)
    return {
        "Description": template.description,
        "Parameters": [describe.parameter(name, each) for name, each in template.parameters.items()],
        "Capabilities": [needed] if needed else [],
    }


def describe_change_set(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    stack, change_set = stacks.change_set(region, given)
    return describe.change_set(stack, change_set)


def list_change_sets(stacks: Stacks, region: str, given: dict[str, Any]) -> dict[str, Any]:
    stack = stacks.existing(region, given["StackName"])
    return {"Summaries": [describe.change_set_summary(stack, each) for each in stack.change_sets.values()]}
