"""The alarms of an emulator, put together: metrics, alarms, and the queues that their topics tell."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.monitoring.embedded import Datapoint
from sldb.emulator.monitoring.metrics import Metrics
from sldb.emulator.monitoring.notices import Notices
from sldb.emulator.monitoring.watch import Watch
from sldb.emulator.sqs.message import Message
from sldb.emulator.sqs.queues import Queues


def open_watch(moto: Moto, metrics: Metrics, queues: Queues, minute_seconds: float) -> Watch:
    return Watch(
        moto, metrics, Notices(moto, partial(_deliver, queues)), minute_seconds, partial(_queue_metrics, queues)
    )


def _deliver(queues: Queues, arn: str, text: str) -> None:
    with queues.changed:
        queue, now = queues.by_arn(arn), queues.clock.now()
        if queue is not None:
            queue.send(Message(text, now), 0, now)
            queues.note_change()


def _queue_metrics(queues: Queues, at: float) -> Iterator[tuple[str, Datapoint]]:
    """Yield the visible messages of each queue and the age of its oldest message, with its region, as data of `at`.

    An empty queue has no age here. Source: "Available CloudWatch metrics for Amazon SQS", SQS's developer guide.
    """
    with queues.changed:
        now, found = queues.clock.now(), list(queues.all())
        for queue in found:
            region, dimensions = queue.arn.split(":")[3], (("QueueName", queue.name),)
            visible = float(sum(each.visible_at <= now for each in queue.messages))
            name = "ApproximateNumberOfMessagesVisible"
            yield region, Datapoint("AWS/SQS", name, dimensions, visible, at, "Count")
            if queue.messages:
                age = now - min(each.sent_at for each in queue.messages)
                yield region, Datapoint("AWS/SQS", "ApproximateAgeOfOldestMessage", dimensions, age, at, "Seconds")
