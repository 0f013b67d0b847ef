"""AWS::IAM::Role and AWS::IAM::Policy."""

from __future__ import annotations

import json
from typing import Any

from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual


class Role(ResourceType):
    properties = frozenset(
        {
            *("RoleName", "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns", "Path"),
            *("Description", "MaxSessionDuration", "Tags", "PermissionsBoundary"),
        }
    )
    replaces = frozenset({"RoleName", "Path"})
    named_by = "RoleName"

    def create(self, new: New) -> None:
        name = new.properties.get("RoleName") or new.name()
        optional = {
            key: new.properties[key]
            for key in ("Path", "Description", "MaxSessionDuration", "Tags", "PermissionsBoundary")
            if new.properties.get(key)
        }
        trust = json.dumps(new.properties["AssumeRolePolicyDocument"])
        new.cloud.call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust, **optional)
        new.made(name)
        self._set_policies(new.cloud, name, {}, new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        trust = json.dumps(wanted["AssumeRolePolicyDocument"])
        it.cloud.call("iam", "UpdateAssumeRolePolicy", RoleName=it.physical_id, PolicyDocument=trust)
        settings = {
            "Description": wanted.get("Description", ""),
            "MaxSessionDuration": wanted.get("MaxSessionDuration", 3600),
        }
        it.cloud.call("iam", "UpdateRole", RoleName=it.physical_id, **settings)
        keys = [tag["Key"] for tag in it.properties.get("Tags", []) if tag not in wanted.get("Tags", [])]
        if keys:
            it.cloud.call("iam", "UntagRole", RoleName=it.physical_id, TagKeys=keys)
        if wanted.get("Tags"):
            it.cloud.call("iam", "TagRole", RoleName=it.physical_id, Tags=wanted["Tags"])
        self._bound(it, wanted.get("PermissionsBoundary"))
        self._set_policies(it.cloud, it.physical_id, it.properties, wanted)

    def _bound(self, it: Existing, boundary: str | None) -> None:
        if boundary == it.properties.get("PermissionsBoundary"):
            return
        if boundary:
            it.cloud.call("iam", "PutRolePermissionsBoundary", RoleName=it.physical_id, PermissionsBoundary=boundary)
        else:
            it.cloud.call("iam", "DeleteRolePermissionsBoundary", RoleName=it.physical_id)

    def delete(self, it: Existing) -> None:
        try:
            self._set_policies(it.cloud, it.physical_id, it.properties, {})
            it.cloud.call("iam", "DeleteRole", RoleName=it.physical_id)
        except it.cloud.client("iam").exceptions.NoSuchEntityException:
            pass

    def actual(self, it: Existing) -> Properties | None:
        try:
            names = it.cloud.call("iam", "ListRolePolicies", RoleName=it.physical_id)["PolicyNames"]
        except it.cloud.client("iam").exceptions.NoSuchEntityException:
            return None
        policies = [
            {"PolicyName": policy["PolicyName"], "PolicyDocument": self._document(it, policy["PolicyName"])}
            for policy in it.properties.get("Policies", [])
            if policy["PolicyName"] in names
        ]
        return with_actual(it.properties, {"Policies": policies})

    def _document(self, it: Existing, name: str) -> Any:
        return it.cloud.call("iam", "GetRolePolicy", RoleName=it.physical_id, PolicyName=name)["PolicyDocument"]

    def attributes(self, it: Existing) -> dict[str, str]:
        role = it.cloud.call("iam", "GetRole", RoleName=it.physical_id)["Role"]
        return {"Arn": role["Arn"], "RoleId": role["RoleId"]}

    def _set_policies(self, cloud: Cloud, role: str, old: Properties, new: Properties) -> None:
        """Change the policies of a role, inline and managed, from the old set to the new one."""
        before, after = _by_name(old), _by_name(new)
        attached = set(cloud.call("iam", "ListRolePolicies", RoleName=role)["PolicyNames"])
        for name in (before.keys() - after.keys()) & attached:
            cloud.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=name)
        for name, document in after.items():
            if before.get(name) != document:
                cloud.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
        managed = {
            each["PolicyArn"]
            for each in cloud.call("iam", "ListAttachedRolePolicies", RoleName=role)["AttachedPolicies"]
        }
        wanted = set(new.get("ManagedPolicyArns", []))
        for arn in (set(old.get("ManagedPolicyArns", [])) - wanted) & managed:
            cloud.call("iam", "DetachRolePolicy", RoleName=role, PolicyArn=arn)
        for arn in wanted - managed:
            cloud.call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=arn)


class InlinePolicy(ResourceType):
    """A policy inside roles."""

    properties = frozenset({"PolicyName", "PolicyDocument", "Roles"})
    replaces = frozenset({"PolicyName"})

    def create(self, new: New) -> None:
        new.made(new.name())
        self.update(new.existing(""), new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        name, document = wanted["PolicyName"], json.dumps(wanted["PolicyDocument"])
        for role in wanted["Roles"]:
            it.cloud.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=document)
        for role in set(it.properties.get("Roles", [])) - set(wanted["Roles"]):
            self._remove(it.cloud, role, name)

    def delete(self, it: Existing) -> None:
        for role in it.properties["Roles"]:
            self._remove(it.cloud, role, it.properties["PolicyName"])

    def actual(self, it: Existing) -> Properties | None:
        try:
            for role in it.properties["Roles"]:
                it.cloud.call("iam", "GetRolePolicy", RoleName=role, PolicyName=it.properties["PolicyName"])
        except it.cloud.client("iam").exceptions.NoSuchEntityException:
            return None
        return it.properties

    def _remove(self, cloud: Cloud, role: str, name: str) -> None:
        try:
            cloud.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=name)
        except cloud.client("iam").exceptions.NoSuchEntityException:
            pass


def _by_name(properties: Properties) -> dict[str, Any]:
    return {policy["PolicyName"]: policy["PolicyDocument"] for policy in properties.get("Policies", [])}
