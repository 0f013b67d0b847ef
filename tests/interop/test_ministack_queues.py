"""Dead letters in the SQS of MiniStack, a second opinion on the one of the emulator."""

from __future__ import annotations

import pytest

from sldb.stack.queues import count_messages
from tests.interop.servers import Server
from tests.sldb.emulator.sqs.test_dead_letters import (  # noqa: F401 - the tests of both
    Queues,
    test_a_dead_letter_sent_again_at_once_is_no_duplicate_of_its_first_message,
    test_what_cannot_be_sent_again_stays_and_holds_up_no_other,
)

SERVER = "ministack"


@pytest.fixture
def queues(server: Server, request: pytest.FixtureRequest) -> Queues:
    return Queues(server.client("sqs"), request.node.name[:60])


def test_messages_are_counted_and_purged(queues: Queues) -> None:
    outputs = {"QueueUrl": queues.url, "DeadLettersUrl": queues.dead_url}
    queues.send("{}", 1)
    queues.send("{}", 2)
    queue, dead = count_messages(queues.client, outputs)
    assert (queue.total, dead.total) == (2, 0)
    queues.fail()
    queue, dead = count_messages(queues.client, outputs)
    assert (queue.total, dead.total) == (0, 2)
    queues.client.purge_queue(QueueUrl=queues.dead_url)
    assert [each.total for each in count_messages(queues.client, outputs)] == [0, 0]
