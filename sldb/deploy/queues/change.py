"""A change of the kind of the queue, and the removal of a stack: what becomes of the messages.

CloudFormation makes another queue for another kind, and leaves the old one as it is: no message is deleted. But nothing
reads it any more. So a kind is changed only while the queue is empty; SQS's counts are approximate, and producers may
send until the end: the plan names the queue that stays, and `sldb queue redrive --from` fetches what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sldb import price
from sldb.aws.errors import OperationFailed, aws_errors
from sldb.deploy.queues.options import DAY_SECONDS, FIFO, NONE, STANDARD
from sldb.report import count
from sldb.stack.queues import OUTPUTS, QueueCounts, count_messages

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState


def change_notes(account: Account, state: StackState | None, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the plan says of a change of the kind. Raises OperationFailed while messages wait in the queue."""
    before = state.parameters.get("Queue", NONE) if state else NONE
    after = parameters.get("Queue", NONE)  # a version to go back to may know no queues
    price_note = tuple(_price(after)) if before != after else ()
    if before == after or state is None or "QueueUrl" not in state.outputs:
        return price_note
    counts = {each.role: each for each in count_messages(account.queues, state.outputs)}
    queue, dead = counts["queue"], counts["dead letters"]
    if queue.total:
        raise OperationFailed(
            f"refused: the queue holds {count(queue.total, 'message')}, and nothing would read from it any more",
            "wait until they have (`sldb queue status`), or `sldb queue purge --waiting` deletes them",
            applied="no",
        )
    notes = [f"the queue {queue.name} stays, and is not read any more: let producers send to the new one first"]
    if after == NONE:
        notes = [f"the queue {queue.name} stays, and is not read any more: let producers stop first"]
    if dead.total:
        notes.append(
            f"{count(dead.total, 'dead letter')} left in {dead.name}: `sldb queue redrive --from {dead.url}` sends "
            "them to the new queue"
        )
    return (*notes, *price_note)


def _price(kind: str) -> Iterator[str]:
    """Yield what a new queue costs."""
    if kind in price.SQS_REQUEST:
        each = price.SQS_REQUEST[kind]
        idle = price.polls(30 * DAY_SECONDS) * each
        yield (
            f"the queue: ${each * 1_000_000:.2f} per million requests to SQS, three for each message; those of Lambda "
            f"while it is empty are about ${idle:.2f} a month"
        )


def kept_notes(counts: tuple[QueueCounts, ...]) -> Iterator[str]:
    """Yield what stays of a stack that is taken down: the queues with messages in them."""
    for each in counts:
        if each.total:
            kind = FIFO if each.name.endswith(".fifo") else STANDARD
            yield (
                f"the queue {each.name} stays, with {count(each.total, each.noun)} in it: {each.url}; after another "
                f"`sldb deploy --queue {kind}`, `sldb queue redrive --from {each.url}` sends them again"
            )


def delete_empty(account: Account, counts: tuple[QueueCounts, ...]) -> tuple[QueueCounts, ...]:
    """Delete the queues of a removed stack if they were empty before, and still are; return the others."""
    outputs = {OUTPUTS[each.role]: each.url for each in counts}
    kept = []
    for before, now in zip(counts, count_messages(account.queues, outputs), strict=True):
        if now.is_gone:
            continue
        if before.total or now.total:
            kept.append(now)
        else:
            with aws_errors(f"delete the queue {now.name}"):
                account.queues.delete_queue(QueueUrl=now.url)
    return tuple(kept)
