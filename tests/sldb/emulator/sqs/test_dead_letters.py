"""Dead letters are sent again to the queue of the emulator, which drops duplicates as SQS does."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lambda_handlers.wire import Request, Statement
from sldb.queue.letters import peek, redrive
from sldb.queue.messages import message_of
from sldb.queue.sending import send

KIND = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}


class Queues:
    """A FIFO queue whose messages become dead letters after one delivery."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.dead_url = client.create_queue(QueueName=f"{name}-dead.fifo", Attributes=KIND)["QueueUrl"]
        policy = json.dumps({"deadLetterTargetArn": self._arn(self.dead_url), "maxReceiveCount": "1"})
        attributes = {**KIND, "RedrivePolicy": policy, "VisibilityTimeout": "0", "MaximumMessageSize": "262144"}
        self.url = client.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]
        self.queue: Any = SimpleNamespace(client=client, url=self.url)

    def _arn(self, url: str) -> str:
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def send(self, body: str, number: int) -> None:
        ids = {"MessageGroupId": "main", "MessageDeduplicationId": str(number)}
        self.client.send_message(QueueUrl=self.url, MessageBody=body, **ids)

    def fail(self) -> None:
        """Let each delivery fail."""
        while self.bodies():
            pass

    def bodies(self) -> list[str]:
        """Return the bodies of one delivery, which fails."""
        found = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        return [each["Body"] for each in found.get("Messages", [])]


@pytest.fixture
def queues(account: Any, request: pytest.FixtureRequest) -> Queues:
    return Queues(account.client("sqs"), request.node.name[:60])


def test_a_dead_letter_sent_again_at_once_is_no_duplicate_of_its_first_message(queues: Queues) -> None:
    sent = message_of(Request((Statement("INSERT INTO t VALUES (1)"),), request_id="r1"))
    for again in (False, True):
        if again:
            assert [each.request_id for each in redrive(queues.queue, queues.dead_url, 10, own_arn=None).sent] == ["r1"]
        else:
            send(queues.queue, [sent])
        assert queues.bodies() == [sent.body]
        queues.fail()


def test_what_cannot_be_sent_again_stays_and_holds_up_no_other(queues: Queues) -> None:
    large, action, good = json.dumps({"query": "x" * 262_120}), {"action": "databases"}, {"query": "x"}
    for number, body in enumerate((large, json.dumps(action), json.dumps(good))):
        queues.send(body, number)
    queues.fail()
    done = redrive(queues.queue, queues.dead_url, 100, own_arn=None)
    assert [reason.split(",")[0] for _, reason in done.left] == ["with its id it has 262", "it is an action"]
    assert [letter.body for letter in peek(queues.queue, queues.dead_url, 100)] == [large, json.dumps(action)]
    (again,) = queues.bodies()
    assert (json.loads(again)["query"], set(json.loads(again))) == ("x", {"query", "request_id"})
