"""SQS as boto3 sees it: the protocol, errors, rights."""

from __future__ import annotations

import json
import threading
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

_names = count(1)


@pytest.fixture
def sqs(account: Any) -> Any:
    return account.client("sqs")


def new_queue(sqs: Any, fifo: bool = False, **attributes: str) -> str:
    name = f"queue-{next(_names)}" + (".fifo" if fifo else "")
    kind = {"FifoQueue": "true"} if fifo else {}
    return str(sqs.create_queue(QueueName=name, Attributes={**kind, **attributes})["QueueUrl"])


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_message_arrives_with_its_attributes(sqs: Any) -> None:
    url = new_queue(sqs)
    kind = {"DataType": "String", "StringValue": "x"}
    sqs.send_message(QueueUrl=url, MessageBody="é", MessageAttributes={"kind": kind})
    (got,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"]
    assert (got["Body"], got["MessageAttributes"]) == ("é", {"kind": kind})
    assert got["Attributes"]["ApproximateReceiveCount"] == "1"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"] == dict.fromkeys(wanted, "0")


def test_a_batch_reports_each_entry(sqs: Any) -> None:
    url = new_queue(sqs, fifo=True)
    entries = [
        {"Id": "a", "MessageBody": "1", "MessageGroupId": "g", "MessageDeduplicationId": "1"},
        {"Id": "b", "MessageBody": "2", "MessageGroupId": "g"},
    ]
    done = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [each["Id"] for each in done["Successful"]] == ["a"]
    assert [(each["Id"], each["Code"]) for each in done["Failed"]] == [("b", "InvalidParameterValue")]


def test_receiving_waits_for_a_message(sqs: Any) -> None:
    url = new_queue(sqs)
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)))
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="late")
    waiting.join()
    assert got[0]["Messages"][0]["Body"] == "late"


def test_errors_have_their_names(sqs: Any) -> None:
    redrive = json.dumps({"deadLetterTargetArn": arn(sqs, new_queue(sqs, fifo=True)), "maxReceiveCount": 1})
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as missing:
        sqs.get_queue_url(QueueName="nobody")
    assert code_of(missing) == "AWS.SimpleQueueService.NonExistentQueue"
    url = new_queue(sqs)
    with pytest.raises(ClientError) as empty:
        sqs.send_message_batch(QueueUrl=url, Entries=[])
    assert code_of(empty) == "AWS.SimpleQueueService.EmptyBatchRequest"
    with pytest.raises(ClientError, match=r"must end with \.fifo"):
        sqs.create_queue(QueueName="x", Attributes={"FifoQueue": "true"})
    with pytest.raises(ClientError, match="shorter than 1024"):
        sqs.send_message(QueueUrl=new_queue(sqs, MaximumMessageSize="1024"), MessageBody="x" * 1025)
    with pytest.raises(ClientError, match="Unknown Attribute"):
        new_queue(sqs, ContentBasedDeduplication="true")
    with pytest.raises(ClientError, match="same type"):
        new_queue(sqs, RedrivePolicy=redrive)
    with pytest.raises(ClientError, match="does not supply sqs:StartMessageMoveTask"):
        sqs.start_message_move_task(SourceArn="arn:aws:sqs:us-east-1:123456789012:x")


def arn(sqs: Any, url: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def test_rights_are_those_of_role_and_queue(account: Any, sqs: Any) -> None:
    url = new_queue(sqs)
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn(sqs, url)}
    sender = account.as_role(account.role(allowed), "sqs")
    sender.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}])
    with pytest.raises(ClientError, match="sqs:ReceiveMessage") as caught:
        sender.receive_message(QueueUrl=url)
    assert code_of(caught) == "AccessDenied"
    denied = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn(sqs, url)}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        sender.send_message(QueueUrl=url, MessageBody="x")
