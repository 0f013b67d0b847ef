"""The sending of messages: in batches, and in their order.

boto3 repeats a call without an answer; the ids in the messages make that harmless. If a part of a batch is refused,
those after it are not sent: in a FIFO queue they would overtake it.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.queue.messages import Outgoing, batches
from sldb.queue.stack_queue import StackQueue, is_fifo


def send(queue: StackQueue, messages: Iterable[Outgoing], url: str | None = None) -> list[Outgoing]:
    """Send messages to the queue; return them. Raises SldbError: its details["sent"] counts those before the failure.
    `url`: of another queue of the same kind."""
    target = url or queue.url
    sent: list[Outgoing] = []
    for batch in batches(messages):
        entries = [message.entry(str(place), fifo=is_fifo(target)) for place, message in enumerate(batch)]
        try:
            with aws_errors("send to the queue"):
                reply = queue.client.send_message_batch(QueueUrl=target, Entries=entries)
        except SldbError as error:
            error.details["sent"] = len(sent)
            raise
        failed = {int(each["Id"]): each for each in reply.get("Failed", [])}
        sent += [message for place, message in enumerate(batch) if place not in failed]
        if failed:
            place = min(failed)
            raise _refused(batch[place], failed[place], len(sent))
    return sent


def _refused(message: Outgoing, failure: dict[str, str], sent: int) -> SldbError:
    words = f"the queue refused the message of the request {message.request_id}: {failure.get('Message', '')}"
    hint = f"{sent:,} were sent; send the rest again: what is in the queue already is applied once"
    return SldbError("store_error", f"{words} ({failure.get('Code', '')})", hint, sent=sent)
