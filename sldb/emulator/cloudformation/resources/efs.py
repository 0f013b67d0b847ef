"""AWS::EFS::FileSystem, AWS::EFS::AccessPoint and AWS::EFS::MountTarget."""

from __future__ import annotations

import json
import uuid
from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.resources.base import Existing, New, Properties, ResourceType


class FileSystem(ResourceType):
    properties = frozenset(
        {
            *("Encrypted", "KmsKeyId", "ThroughputMode", "PerformanceMode", "BackupPolicy", "LifecyclePolicies"),
            *("FileSystemPolicy", "FileSystemTags"),
        }
    )
    replaces = frozenset({"Encrypted", "KmsKeyId", "PerformanceMode"})
    tags_property = "FileSystemTags"

    def create(self, new: New) -> None:
        wanted = new.properties
        given = {
            key: wanted[key] for key in ("Encrypted", "KmsKeyId", "ThroughputMode", "PerformanceMode") if key in wanted
        }
        backup = wanted.get("BackupPolicy", {}).get("Status") == "ENABLED"
        made = new.cloud.call("efs", "CreateFileSystem", CreationToken=uuid.uuid4().hex, Backup=backup, **given)
        new.made(made["FileSystemId"])
        self.update(new.existing(made["FileSystemId"]), wanted)

    def update(self, it: Existing, wanted: Properties) -> None:
        def changed(name: str) -> bool:
            return name in wanted and it.properties.get(name) != wanted[name]

        _retag(it, it.properties.get("FileSystemTags", []), wanted.get("FileSystemTags", []))
        if changed("LifecyclePolicies"):
            policies = wanted["LifecyclePolicies"]
            it.cloud.call("efs", "PutLifecycleConfiguration", FileSystemId=it.physical_id, LifecyclePolicies=policies)
        if changed("FileSystemPolicy"):
            text = json.dumps(wanted["FileSystemPolicy"])
            it.cloud.call("efs", "PutFileSystemPolicy", FileSystemId=it.physical_id, Policy=text)

    def delete(self, it: Existing) -> None:
        if _described(it, "FileSystem") is not None:
            it.cloud.call("efs", "DeleteFileSystem", FileSystemId=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        return None if _described(it, "FileSystem") is None else it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        found = _described(it, "FileSystem") or {}
        return {"FileSystemId": it.physical_id, "Arn": found.get("FileSystemArn", "")}


class AccessPoint(ResourceType):
    properties = frozenset({"FileSystemId", "PosixUser", "RootDirectory", "AccessPointTags"})
    replaces = frozenset({"FileSystemId", "PosixUser", "RootDirectory"})
    tags_property = "AccessPointTags"

    def create(self, new: New) -> None:
        given = {key: new.properties[key] for key in self.replaces if key in new.properties}
        tags = new.properties.get("AccessPointTags", [])
        made = new.cloud.call("efs", "CreateAccessPoint", ClientToken=uuid.uuid4().hex, Tags=tags, **given)
        new.made(made["AccessPointId"])

    def update(self, it: Existing, wanted: Properties) -> None:
        _retag(it, it.properties.get("AccessPointTags", []), wanted.get("AccessPointTags", []))

    def delete(self, it: Existing) -> None:
        if _described(it, "AccessPoint") is not None:
            it.cloud.call("efs", "DeleteAccessPoint", AccessPointId=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        return None if _described(it, "AccessPoint") is None else it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        found = _described(it, "AccessPoint") or {}
        return {"AccessPointId": it.physical_id, "Arn": found.get("AccessPointArn", "")}


class MountTarget(ResourceType):
    properties = frozenset({"FileSystemId", "SubnetId", "SecurityGroups", "IpAddress"})
    replaces = frozenset({"FileSystemId", "SubnetId", "IpAddress"})

    def create(self, new: New) -> None:
        made = new.cloud.call("efs", "CreateMountTarget", **new.properties)
        new.made(made["MountTargetId"])

    def update(self, it: Existing, wanted: Properties) -> None:
        groups = wanted["SecurityGroups"]
        it.cloud.call("efs", "ModifyMountTargetSecurityGroups", MountTargetId=it.physical_id, SecurityGroups=groups)

    def delete(self, it: Existing) -> None:
        if _described(it, "MountTarget") is not None:
            it.cloud.call("efs", "DeleteMountTarget", MountTargetId=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        return None if _described(it, "MountTarget") is None else it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        found = _described(it, "MountTarget") or {}
        return {"Id": it.physical_id, "IpAddress": found.get("IpAddress", "")}


def _retag(it: Existing, old: list[dict[str, str]], new: list[dict[str, str]]) -> None:
    if gone := {tag["Key"] for tag in old} - {tag["Key"] for tag in new}:
        it.cloud.call("efs", "UntagResource", ResourceId=it.physical_id, TagKeys=sorted(gone))
    if new and new != old:
        it.cloud.call("efs", "TagResource", ResourceId=it.physical_id, Tags=new)


def _described(it: Existing, kind: str) -> dict[str, Any] | None:
    """Return what EFS says of the resource; None if it is gone."""
    try:
        found = it.cloud.call("efs", f"Describe{kind}s", **{f"{kind}Id": it.physical_id})
    except ClientError as error:
        if error.response["Error"]["Code"] == f"{kind}NotFound":
            return None
        raise
    result: dict[str, Any] = found[f"{kind}s"][0]
    return result
