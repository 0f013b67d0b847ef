"""AWS::KMS::Key. Its deletion is scheduled, as in AWS: until it is over, the key is disabled and can be had back."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.resources.base import Existing, New, Properties, ResourceType


class Key(ResourceType):
    properties = frozenset({"Description", "KeyPolicy", "EnableKeyRotation", "PendingWindowInDays", "Tags"})
    replaces = frozenset[str]()

    def create(self, new: New) -> None:
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in new.properties.get("Tags", [])]
        optional: dict[str, Any] = {"Tags": tags} if tags else {}
        made = new.cloud.call(
            "kms",
            "CreateKey",
            Description=new.properties.get("Description", ""),
            Policy=json.dumps(new.properties["KeyPolicy"]),
            **optional,
        )
        new.made(made["KeyMetadata"]["KeyId"])
        self._rotate(new.existing(made["KeyMetadata"]["KeyId"]), new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        policy, description = json.dumps(wanted["KeyPolicy"]), wanted.get("Description", "")
        it.cloud.call("kms", "PutKeyPolicy", KeyId=it.physical_id, PolicyName="default", Policy=policy)
        it.cloud.call("kms", "UpdateKeyDescription", KeyId=it.physical_id, Description=description)
        self._rotate(it, wanted)
        old, new = it.properties.get("Tags", []), wanted.get("Tags", [])
        if gone := [tag["Key"] for tag in old if tag not in new]:
            it.cloud.call("kms", "UntagResource", KeyId=it.physical_id, TagKeys=gone)
        if new and new != old:
            tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in new]
            it.cloud.call("kms", "TagResource", KeyId=it.physical_id, Tags=tags)

    def delete(self, it: Existing) -> None:
        if self.actual(it) is not None:
            days = int(it.properties.get("PendingWindowInDays", 30))
            it.cloud.call("kms", "ScheduleKeyDeletion", KeyId=it.physical_id, PendingWindowInDays=days)

    def actual(self, it: Existing) -> Properties | None:
        """Return the properties; a key that waits for its deletion counts as gone."""
        try:
            found = it.cloud.call("kms", "DescribeKey", KeyId=it.physical_id)["KeyMetadata"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotFoundException":
                return None
            raise
        return None if found["KeyState"] == "PendingDeletion" else it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        found = it.cloud.call("kms", "DescribeKey", KeyId=it.physical_id)["KeyMetadata"]
        return {"Arn": found["Arn"], "KeyId": found["KeyId"]}

    def _rotate(self, it: Existing, wanted: Properties) -> None:
        is_on = str(wanted.get("EnableKeyRotation", False)).lower() == "true"
        it.cloud.call("kms", "EnableKeyRotation" if is_on else "DisableKeyRotation", KeyId=it.physical_id)
