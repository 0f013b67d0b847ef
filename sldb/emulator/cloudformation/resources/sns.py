"""AWS::SNS::Topic, AWS::SNS::TopicPolicy and AWS::SNS::Subscription.

The physical id of a topic is its ARN, and so is a subscription's. A topic without its policy has SNS's own again.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.resources.base import Existing, New, Properties, ResourceType, with_actual

_ATTRIBUTES = ("DisplayName", "KmsMasterKeyId")


class Topic(ResourceType):
    properties = frozenset({"TopicName", "Tags", *_ATTRIBUTES})
    replaces = frozenset({"TopicName"})
    named_by = "TopicName"

    def create(self, new: New) -> None:
        name = new.properties.get("TopicName") or new.name(256)
        attributes = {key: new.properties[key] for key in _ATTRIBUTES if key in new.properties}
        made = new.cloud.call("sns", "CreateTopic", Name=name, Attributes=attributes, Tags=new.properties.get("Tags"))
        new.made(made["TopicArn"])

    def update(self, it: Existing, wanted: Properties) -> None:
        for name in _ATTRIBUTES:
            if it.properties.get(name) != wanted.get(name):
                value = wanted.get(name, "")
                it.cloud.call(
                    "sns", "SetTopicAttributes", TopicArn=it.physical_id, AttributeName=name, AttributeValue=value
                )
        old, new = it.properties.get("Tags", []), wanted.get("Tags", [])
        if gone := [tag["Key"] for tag in old if tag not in new]:
            it.cloud.call("sns", "UntagResource", ResourceArn=it.physical_id, TagKeys=gone)
        if new and new != old:
            it.cloud.call("sns", "TagResource", ResourceArn=it.physical_id, Tags=new)

    def delete(self, it: Existing) -> None:
        if _attributes(it, "GetTopicAttributes", TopicArn=it.physical_id) is not None:
            it.cloud.call("sns", "DeleteTopic", TopicArn=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        found = _attributes(it, "GetTopicAttributes", TopicArn=it.physical_id)
        return None if found is None else with_actual(it.properties, {"KmsMasterKeyId": found.get("KmsMasterKeyId")})

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"TopicArn": it.physical_id, "TopicName": it.physical_id.rpartition(":")[2]}


class TopicPolicy(ResourceType):
    properties = frozenset({"Topics", "PolicyDocument"})
    replaces = frozenset({"Topics"})

    def create(self, new: New) -> None:
        self.update(new.existing(""), new.properties)
        new.made(new.name())

    def update(self, it: Existing, wanted: Properties) -> None:
        text = json.dumps(wanted["PolicyDocument"])
        for arn in wanted["Topics"]:
            it.cloud.call("sns", "SetTopicAttributes", TopicArn=arn, AttributeName="Policy", AttributeValue=text)

    def delete(self, it: Existing) -> None:
        """Leave the policy: its topics go, too, or get another one."""

    def actual(self, it: Existing) -> Properties | None:
        found = [_attributes(it, "GetTopicAttributes", TopicArn=arn) for arn in it.properties["Topics"]]
        wanted = it.properties["PolicyDocument"]
        return it.properties if all(each and json.loads(each["Policy"]) == wanted for each in found) else None


class Subscription(ResourceType):
    properties = frozenset({"TopicArn", "Protocol", "Endpoint"})
    replaces = properties

    def create(self, new: New) -> None:
        made = new.cloud.call("sns", "Subscribe", **new.properties, ReturnSubscriptionArn=True)
        new.made(made["SubscriptionArn"])

    def delete(self, it: Existing) -> None:
        if self.actual(it) is not None:
            it.cloud.call("sns", "Unsubscribe", SubscriptionArn=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        found = _attributes(it, "GetSubscriptionAttributes", SubscriptionArn=it.physical_id)
        return None if found is None else it.properties


def _attributes(it: Existing, operation: str, **which: str) -> Any:
    try:
        return it.cloud.call("sns", operation, **which)["Attributes"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NotFound", "NotFoundException", "ResourceNotFound"):
            return None
        raise
