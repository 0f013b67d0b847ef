"""The members of the API's answers for stacks, change sets and resources. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sldb.emulator.cloudformation.stack import ChangeSet, ResourceStatus, Stack
from sldb.emulator.cloudformation.target import Target


def stack(found: Stack) -> dict[str, Any]:
    return {
        "StackId": found.id,
        "StackName": found.name,
        "Description": found.target.template.description if found.target else None,
        "CreationTime": found.created_at,
        "LastUpdatedTime": found.updated_at,
        "DeletionTime": found.deleted_at,
        "StackStatus": found.status,
        "StackStatusReason": found.status_reason or None,
        "DisableRollback": False,
        "Capabilities": found.capabilities,
        "Parameters": _parameters(found.target),
        "Outputs": found.outputs,
        "Tags": _tags(found.target),
    }


def stack_summary(found: Stack) -> dict[str, Any]:
    members = stack(found)
    wanted = (
        "StackId",
        "StackName",
        "CreationTime",
        "LastUpdatedTime",
        "DeletionTime",
        "StackStatus",
        "StackStatusReason",
    )
    return {name: members[name] for name in wanted}


def change_set(owner: Stack, found: ChangeSet) -> dict[str, Any]:
    return {
        **change_set_summary(owner, found),
        "Parameters": _parameters(found.target),
        "Tags": _tags(found.target),
        "Capabilities": found.capabilities,
        "Changes": [change.encode() for change in found.changes],
    }


def change_set_summary(owner: Stack, found: ChangeSet) -> dict[str, Any]:
    return {
        "ChangeSetId": found.id,
        "ChangeSetName": found.name,
        "StackId": owner.id,
        "StackName": owner.name,
        "Description": found.description or None,
        "CreationTime": found.created_at,
        "Status": found.status,
        "StatusReason": found.status_reason or None,
        "ExecutionStatus": found.execution_status,
    }


def resource(owner: Stack, found: ResourceStatus) -> dict[str, Any]:
    return {
        "StackId": owner.id,
        "StackName": owner.name,
        "Timestamp": found.at,
        "LogicalResourceId": found.logical_id,
        "PhysicalResourceId": found.physical_id,
        "ResourceType": found.type,
        "ResourceStatus": found.status,
        "ResourceStatusReason": found.reason or None,
    }


def resource_summary(found: ResourceStatus) -> dict[str, Any]:
    return {
        "LastUpdatedTimestamp": found.at,
        "LogicalResourceId": found.logical_id,
        "PhysicalResourceId": found.physical_id,
        "ResourceType": found.type,
        "ResourceStatus": found.status,
        "ResourceStatusReason": found.reason or None,
    }


def resource_detail(owner: Stack, found: ResourceStatus) -> dict[str, Any]:
    return {**resource_summary(found), "StackId": owner.id, "StackName": owner.name}


def parameter(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    default = definition.get("Default")
    return {
        "ParameterKey": name,
        "DefaultValue": None if default is None else str(default),
        "NoEcho": False,
        "Description": definition.get("Description"),
    }


def _tags(target: Target | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in target.tags.items()] if target is not None else []


def _parameters(target: Target | None) -> list[dict[str, str]]:
    values = target.parameters if target is not None else {}
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
