"""AWS::SQS::Queue and AWS::SQS::QueuePolicy.

A FIFO queue without a name gets one that ends in .fifo, as CloudFormation does it (cloudtools/troposphere#931). The
physical id of a queue is its URL. A policy is an attribute of its queues.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.resources.base import Cloud, Existing, New, Properties, ResourceType, with_actual

_MAX_NAME = 80
_ATTRIBUTES = (  # properties that are attributes of the same names
    *("DelaySeconds", "MessageRetentionPeriod", "MaximumMessageSize", "ReceiveMessageWaitTimeSeconds"),
    *("VisibilityTimeout", "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"),
    *("RedrivePolicy", "RedriveAllowPolicy"),
    *("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"),
)


class Queue(ResourceType):
    properties = frozenset({"QueueName", "FifoQueue", "Tags", *_ATTRIBUTES})
    replaces = frozenset({"QueueName", "FifoQueue"})
    named_by = "QueueName"

    def create(self, new: New) -> None:
        suffix = ".fifo" if _text(new.properties.get("FifoQueue", False)) == "true" else ""
        name = new.properties.get("QueueName") or new.name(_MAX_NAME - len(suffix)) + suffix
        attributes = {**_attributes(new.properties), **({"FifoQueue": "true"} if suffix else {})}
        tags = {tag["Key"]: tag["Value"] for tag in new.properties.get("Tags", [])}
        made = new.cloud.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes, tags=tags)
        new.made(made["QueueUrl"])

    def update(self, it: Existing, wanted: Properties) -> None:
        before, after = _attributes(it.properties), _attributes(wanted)
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        changed.update({name: "" for name in before if name not in after})
        if changed:
            it.cloud.call("sqs", "SetQueueAttributes", QueueUrl=it.physical_id, Attributes=changed)
        old, new = ({tag["Key"]: tag["Value"] for tag in each.get("Tags", [])} for each in (it.properties, wanted))
        if gone := sorted(old.keys() - new.keys()):
            it.cloud.call("sqs", "UntagQueue", QueueUrl=it.physical_id, TagKeys=gone)
        if new != old and new:
            it.cloud.call("sqs", "TagQueue", QueueUrl=it.physical_id, Tags=new)

    def delete(self, it: Existing) -> None:
        if _attributes_now(it.cloud, it.physical_id) is not None:
            it.cloud.call("sqs", "DeleteQueue", QueueUrl=it.physical_id)

    def actual(self, it: Existing) -> Properties | None:
        found = _attributes_now(it.cloud, it.physical_id)
        if found is None:
            return None
        names = ("VisibilityTimeout", "MessageRetentionPeriod", "SqsManagedSseEnabled")
        return with_actual(it.properties, {name: _value(found[name]) for name in names})

    def attributes(self, it: Existing) -> dict[str, str]:
        name = it.physical_id.rpartition("/")[2]
        found = _attributes_now(it.cloud, it.physical_id) or {}
        return {"Arn": found.get("QueueArn", ""), "QueueName": name, "QueueUrl": it.physical_id}


class QueuePolicy(ResourceType):
    properties = frozenset({"Queues", "PolicyDocument"})
    replaces: frozenset[str] = frozenset()

    def create(self, new: New) -> None:
        self._put(new.cloud, new.properties)
        # The same for the same resource: one made again must not be deleted as its own predecessor.
        new.made(f"{new.stack_name}-{new.logical_id}")

    def update(self, it: Existing, wanted: Properties) -> None:
        self._put(it.cloud, wanted)
        self._remove(it.cloud, set(it.properties["Queues"]) - set(wanted["Queues"]))

    def delete(self, it: Existing) -> None:
        self._remove(it.cloud, it.properties["Queues"])

    def actual(self, it: Existing) -> Properties | None:
        found = [_attributes_now(it.cloud, url) for url in it.properties["Queues"]]
        if any(attributes is None or not attributes.get("Policy") for attributes in found):
            return None
        return it.properties

    def attributes(self, it: Existing) -> dict[str, str]:
        return {"Id": it.physical_id}

    def _remove(self, cloud: Cloud, urls: Iterable[str]) -> None:
        for url in urls:
            if _attributes_now(cloud, url) is not None:
                cloud.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": ""})

    def _put(self, cloud: Cloud, properties: Properties) -> None:
        text = json.dumps(properties["PolicyDocument"])
        for url in properties["Queues"]:
            cloud.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": text})


def _attributes(properties: Properties) -> dict[str, str]:
    return {name: _text(properties[name]) for name in _ATTRIBUTES if name in properties}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str) -> Any:
    return text == "true" if text in ("true", "false") else text


def _attributes_now(cloud: Cloud, url: str) -> dict[str, str] | None:
    try:
        found: dict[str, str] = cloud.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue":
            return None
        raise
    return found
