"""The queues of a deployed stack: their addresses, and how many messages are in them. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sldb.aws.errors import aws_errors

OUTPUTS = {"queue": "QueueUrl", "dead letters": "DeadLettersUrl", "failed invocations": "FailedInvocationsUrl"}
_COUNTS = (
    *("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"),
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The messages of a queue. SQS counts them approximately: the numbers settle within a minute."""

    role: str  # as in OUTPUTS
    url: str
    waiting: int
    in_flight: int
    is_gone: bool = False

    @property
    def noun(self) -> str:
        """The noun for one of its messages: message, dead letter, failed invocation."""
        return "message" if self.role == "queue" else self.role.removesuffix("s")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def total(self) -> int:
        return self.waiting + self.in_flight


def count_messages(client: Any, outputs: Mapping[str, str]) -> tuple[QueueCounts, ...]:
    """Return the counts of the queues among the outputs of a stack. Raises SldbError."""
    found = ((role, outputs.get(name)) for role, name in OUTPUTS.items())
    return tuple(_counted(client, role, url) for role, url in found if url)


def count_of(client: Any, url: str) -> int:
    """Return the number of messages of a queue, those in flight, too; 0 if it is gone. Raises SldbError."""
    return _counted(client, "queue", url).total


def _counted(client: Any, role: str, url: str) -> QueueCounts:
    with aws_errors(f"look at the {role if role == 'queue' else f'queue of {role}'}"):
        try:
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
        except client.exceptions.QueueDoesNotExist:
            return QueueCounts(role, url, 0, 0, is_gone=True)
    visible, in_flight, delayed = (int(found.get(name, 0)) for name in _COUNTS)
    return QueueCounts(role, url, visible + delayed, in_flight)
