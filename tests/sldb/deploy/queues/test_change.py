"""Another kind of queue, and the end of a stack: no message is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sldb.commands import Commands

pytestmark = pytest.mark.long


def send(sqs: Any, url: str, group: str = "main") -> None:
    fifo = {"MessageGroupId": group, "MessageDeduplicationId": "1"} if url.endswith(".fifo") else {}
    sqs.send_message(QueueUrl=url, MessageBody="{}", **fifo)


def stop(sldb: Commands) -> None:
    """Let the queue keep its messages: no container is to start here."""
    sldb.client("lambda").update_event_source_mapping(UUID=sldb.outputs()["QueueMappingId"], Enabled=False)


def test_a_queue_is_made_changed_and_left_behind_with_its_messages(sldb: Commands) -> None:
    sqs = sldb.client("sqs")
    made = sldb.ok("deploy", "--queue", "fifo", "--queue-tries", "3", "--timeout", "20").err
    assert "the queue: $0.50 per million requests to SQS" in made
    assert "about $0.32 a month" in made
    first = sldb.outputs()
    found = sqs.get_queue_attributes(QueueUrl=first["QueueUrl"], AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["MessageRetentionPeriod"]) == ("120", "604800")
    assert json.loads(found["RedrivePolicy"])["maxReceiveCount"] in (3, "3")
    mapping = sldb.client("lambda").get_event_source_mapping(UUID=first["QueueMappingId"])
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (10, {"MaximumConcurrency": 2})

    sldb.ok("deploy", "--timeout", "30", "--queue-batch", "5")
    assert sldb.outputs()["QueueUrl"] == first["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=first["QueueUrl"], AttributeNames=["All"])["Attributes"]
    assert found["VisibilityTimeout"] == "180"

    stop(sldb)
    send(sqs, first["QueueUrl"])
    refused = sldb("deploy", "--queue", "standard", "--queue-batch", "0", "--yes")
    assert refused.status == 1
    assert "refused: the queue holds 1 message, and nothing would read from it any more" in refused.err
    sqs.purge_queue(QueueUrl=first["QueueUrl"])
    send(sqs, first["DeadLettersUrl"])
    changed = sldb.ok("deploy", "--queue", "standard", "--queue-batch", "0", "--yes")
    assert "stays, and is not read any more" in changed.err
    assert f"sldb queue redrive --from {first['DeadLettersUrl']}" in changed.err
    second = sldb.outputs()
    assert second["QueueUrl"] != first["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=first["QueueUrl"], AttributeNames=["QueueArn"])

    stop(sldb)
    send(sqs, second["QueueUrl"])
    ended = sldb.ok("destroy", "--yes")
    name = second["QueueUrl"].rpartition("/")[2]
    assert f"the queue {name} stays, with 1 message in it: {second['QueueUrl']}" in ended.err
    assert "sldb deploy --queue standard" in ended.err
    assert f"sldb queue redrive --from {second['QueueUrl']}" in ended.err
    left = {url.rpartition("/")[2].split("-")[2] for url in sqs.list_queues()["QueueUrls"]}
    assert left == {"FifoQueue", "FifoDeadLetters", "StandardQueue"}


def test_lost_parts_of_the_queue_come_back(sldb: Commands) -> None:
    sldb.ok("deploy", "--queue", "standard")
    made = sldb.outputs()
    sldb.client("lambda").delete_event_source_mapping(UUID=made["QueueMappingId"])
    sldb.client("sqs").set_queue_attributes(QueueUrl=made["QueueUrl"], Attributes={"Policy": ""})
    sldb.client("lambda").delete_function_event_invoke_config(FunctionName="test-db-function")
    plan = sldb.ok("deploy", "--plan").err
    assert "the mapping of the queue to the function is gone" in plan
    assert "the policy of the queue is gone" in plan
    assert "the destination of failed invocations of test-db-function is gone" in plan
    sldb.ok("deploy")
    assert "is gone" not in sldb.ok("deploy", "--plan").err
