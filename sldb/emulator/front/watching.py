"""The alarms of an emulator, put together: metrics, alarms, and the queues that their topics tell."""

from __future__ import annotations

from functools import partial

from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.monitoring.metrics import Metrics
from sldb.emulator.monitoring.notices import Notices
from sldb.emulator.monitoring.watch import Watch
from sldb.emulator.sqs.message import Message
from sldb.emulator.sqs.queues import Queues


def open_watch(moto: Moto, metrics: Metrics, queues: Queues, minute_seconds: float) -> Watch:
    return Watch(moto, metrics, Notices(moto, partial(_deliver, queues)), minute_seconds, partial(_visible, queues))


def _deliver(queues: Queues, arn: str, text: str) -> None:
    with queues.changed:
        queue, now = queues.by_arn(arn), queues.clock.now()
        if queue is not None:
            queue.send(Message(text, now), 0, now)
            queues.note_change()


def _visible(queues: Queues) -> dict[tuple[str, str], int]:
    """Return the visible messages of each queue: (region, name) → number."""
    with queues.changed:
        now = queues.clock.now()
        return {
            (queue.arn.split(":")[3], queue.name): sum(each.visible_at <= now for each in queue.messages)
            for queue in queues.all()
        }
