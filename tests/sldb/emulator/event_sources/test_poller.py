"""Event source mappings and destinations: real functions, fed by queues."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sldb.emulator.conftest import LOGS
from tests.sldb.emulator.sqs.test_api import arn, new_queue

# Answers what the bodies say, and keeps each batch as a line of its log.
FUNCTION = """
import json, os
def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    print("BATCH " + json.dumps(bodies))
    if "die" in bodies:
        os._exit(1)
    failed = [record["messageId"] for record in event["Records"] if record["body"].startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
"""
VISIBILITY = "120"
Wait = Callable[[Callable[[], Any]], Any]


def role_for(account: Any, *arns: str) -> str:
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"]
    return str(account.role(LOGS, {"Effect": "Allow", "Action": actions, "Resource": list(arns)}))


def batches(account: Any, function: str) -> list[list[str]]:
    lines = account.aws.log(function)
    return [json.loads(line.partition("BATCH ")[2]) for line in lines if "BATCH " in line]


def counts(account: Any, url: str) -> tuple[int, int]:
    """Return the numbers of messages that wait and that are in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


def send(account: Any, url: str, *bodies: str, group: str = "") -> None:
    for body in bodies:
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": body} if group else {}
        account.client("sqs").send_message(QueueUrl=url, MessageBody=body, **fifo)


def mapped(account: Any, url: str, function: str, **settings: Any) -> str:
    wanted = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "ScalingConfig": {"MaximumConcurrency": 2}}
    source = arn(account.client("sqs"), url)
    made = account.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=source, **{**wanted, **settings}
    )
    return str(made["UUID"])


def test_failures_of_a_batch_come_again_and_then_are_dead_letters(account: Any, wait: Wait) -> None:
    sqs = account.client("sqs")
    dead = new_queue(sqs)
    redrive = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 2})
    url = new_queue(sqs, VisibilityTimeout=VISIBILITY, RedrivePolicy=redrive)
    function = account.function(FUNCTION, role=role_for(account, arn(sqs, url)))
    send(account, url, "one", "bad", "two")
    mapped(account, url, function, BatchSize=100, MaximumBatchingWindowInSeconds=1)
    wait(lambda: counts(account, url) == (0, 3))
    account.aws.advance(1)  # the end of the window
    wait(lambda: counts(account, url) == (0, 1))
    assert sorted(batches(account, function)[0]) == ["bad", "one", "two"]
    account.aws.advance(121)
    wait(lambda: counts(account, url) == (0, 1))
    account.aws.advance(1)
    wait(lambda: len(batches(account, function)) == 2)
    account.aws.advance(121)
    wait(lambda: counts(account, dead) == (1, 0))
    assert batches(account, function)[1:] == [["bad"]]


def test_a_dead_container_returns_its_whole_batch(account: Any, wait: Wait) -> None:
    sqs = account.client("sqs")
    url = new_queue(sqs, fifo=True, VisibilityTimeout=VISIBILITY)
    function = account.function(FUNCTION, role=role_for(account, arn(sqs, url)))
    send(account, url, "one", "die", group="a")
    mapped(account, url, function)
    wait(lambda: len(batches(account, function)) == 1 and counts(account, url) == (0, 2))
    send(account, url, "three", group="a")
    send(account, url, "other", group="b")
    # The group waits for its first two, the other one does not.
    wait(lambda: ["other"] in batches(account, function) and counts(account, url) == (1, 2))
    account.aws.advance(121)
    wait(lambda: ["one", "die", "three"] in batches(account, function))


def test_a_disabled_mapping_takes_nothing(account: Any, wait: Wait) -> None:
    sqs, functions = account.client("sqs"), account.client("lambda")
    url = new_queue(sqs, VisibilityTimeout=VISIBILITY)
    function = account.function(FUNCTION, role=role_for(account, arn(sqs, url)))
    uuid = mapped(account, url, function, Enabled=False)
    send(account, url, "one")
    assert functions.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    wait(lambda: batches(account, function) == [["one"]])
    functions.delete_event_source_mapping(UUID=uuid)
    assert functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"] == []


@pytest.mark.parametrize(
    ("fifo", "settings", "words"),
    [
        (True, {"BatchSize": 11}, "Batch size must be between 1 and 10"),
        (True, {"MaximumBatchingWindowInSeconds": 1}, "not supported for FIFO"),
        (False, {"BatchSize": 11}, "greater than 0"),
        (False, {"ScalingConfig": {"MaximumConcurrency": 1}}, "MaximumConcurrency|valid min value"),
    ],
)
def test_limits_of_mappings(account: Any, fifo: bool, settings: dict[str, Any], words: str) -> None:
    sqs = account.client("sqs")
    url = new_queue(sqs, fifo=fifo, VisibilityTimeout=VISIBILITY)
    function = account.function(FUNCTION, role=role_for(account, arn(sqs, url)))
    with pytest.raises(Exception, match=words):
        mapped(account, url, function, **settings)


def test_rights_and_timeouts_are_checked_first(account: Any) -> None:
    sqs = account.client("sqs")
    url, function = new_queue(sqs, VisibilityTimeout="19"), account.function(FUNCTION)
    with pytest.raises(ClientError, match="less than Function timeout: 20"):
        mapped(account, url, function)
    with pytest.raises(ClientError, match="execution role does not have permissions to call ReceiveMessage"):
        mapped(account, new_queue(sqs), function)


def test_a_failed_asynchronous_invocation_goes_to_its_destination(account: Any, wait: Wait) -> None:
    sqs, functions = account.client("sqs"), account.client("lambda")
    url = new_queue(sqs)
    destination = {"OnFailure": {"Destination": arn(sqs, url)}}
    function = account.function(FUNCTION)
    with pytest.raises(ClientError, match="permissions to call SendMessage"):
        functions.put_function_event_invoke_config(FunctionName=function, DestinationConfig=destination)
    function = account.function(
        "def handler(event, context): raise ValueError('no')", role=role_for(account, arn(sqs, url))
    )
    for retries in (1, 0):  # the second replaces the first
        functions.put_function_event_invoke_config(
            FunctionName=function, MaximumRetryAttempts=retries, DestinationConfig=destination
        )
    functions.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"query": "SELECT 1"}')
    wait(lambda: counts(account, url) == (1, 0))
    record = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert record["requestPayload"] == {"query": "SELECT 1"}
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"]["errorMessage"] == "no"
