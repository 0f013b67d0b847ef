"""AWS::Logs::LogGroup."""

from __future__ import annotations

from typing import Any

from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual


class LogGroup(ResourceType):
    properties = frozenset({"LogGroupName", "RetentionInDays", "KmsKeyId", "Tags"})
    replaces = frozenset({"LogGroupName"})
    named_by = "LogGroupName"

    def create(self, new: New) -> None:
        name = new.properties.get("LogGroupName") or new.name(512)
        tags = {tag["Key"]: tag["Value"] for tag in new.properties.get("Tags", [])}
        key = new.properties.get("KmsKeyId")
        optional = {**({"tags": tags} if tags else {}), **({"kmsKeyId": key} if key else {})}
        new.cloud.call("logs", "CreateLogGroup", logGroupName=name, **optional)
        new.made(name)
        self._retain(new.cloud, name, new.properties)

    def update(self, it: Existing, wanted: Properties) -> None:
        self._retain(it.cloud, it.physical_id, wanted)
        if (key := wanted.get("KmsKeyId")) != it.properties.get("KmsKeyId"):
            action = "AssociateKmsKey" if key else "DisassociateKmsKey"
            it.cloud.call("logs", action, logGroupName=it.physical_id, **({"kmsKeyId": key} if key else {}))
        arn = self.attributes(it)["Arn"].removesuffix(":*")
        keys = [tag["Key"] for tag in it.properties.get("Tags", []) if tag not in wanted.get("Tags", [])]
        if keys:
            it.cloud.call("logs", "UntagResource", resourceArn=arn, tagKeys=keys)
        if wanted.get("Tags"):
            tags = {tag["Key"]: tag["Value"] for tag in wanted["Tags"]}
            it.cloud.call("logs", "TagResource", resourceArn=arn, tags=tags)

    def delete(self, it: Existing) -> None:
        try:
            it.cloud.call("logs", "DeleteLogGroup", logGroupName=it.physical_id)
        except it.cloud.client("logs").exceptions.ResourceNotFoundException:
            pass

    def actual(self, it: Existing) -> Properties | None:
        group = self._find(it)
        return group and with_actual(it.properties, {"RetentionInDays": group.get("retentionInDays")})

    def _find(self, it: Existing) -> Any:
        groups = it.cloud.call("logs", "DescribeLogGroups", logGroupNamePrefix=it.physical_id)["logGroups"]
        return next((group for group in groups if group["logGroupName"] == it.physical_id), None)

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Arn": self._find(it)["arn"]}

    def _retain(self, cloud: Cloud, name: str, properties: Properties) -> None:
        days = properties.get("RetentionInDays")
        if days is None:
            cloud.call("logs", "DeleteRetentionPolicy", logGroupName=name)
        else:
            cloud.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=days)
