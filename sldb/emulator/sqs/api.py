"""The API of SQS in its JSON protocol: a call to the operation for it.

The rest (message move tasks, permissions by AddPermission, message system attributes) is refused by name.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from sldb.emulator.calls.call import ACCOUNT, Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.sqs.message import Message, md5, md5_of_attributes, sequence_text
from sldb.emulator.sqs.queue import MAX_MESSAGES, Queue
from sldb.emulator.sqs.queues import Queues

_MAX_BATCH_BYTES = 1_048_576
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
_ALLOWED = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")  # "SendMessage", API reference
_ID = re.compile(r"[!-~]{1,128}")  # the same
_REFUSED = ("MessageSystemAttributes", "ReceiveRequestAttemptId")


class Sqs:
    def __init__(self, queues: Queues, url: Callable[[], str]) -> None:
        self._queues = queues
        self._url = url

    def answer(self, call: Call) -> Answer:
        """Return the answer to a call. Waits for messages at the request of a call. Raises AwsError."""
        run = _OPERATIONS.get(call.action)
        if run is None or not call.headers.get("x-amz-target"):
            raise NotEmulated(f"sqs:{call.action}" if run is None else "the query protocol of SQS")
        wanted = json.loads(call.body or b"{}")
        for name in _REFUSED:
            if wanted.get(name):
                raise NotEmulated(f"{name} of sqs:{call.action}")
        with self._queues.changed:
            found = run(self, call.region, wanted)
            if call.action not in _READS:
                self._queues.note_change()
        headers = (("Content-Type", "application/x-amz-json-1.0"),)
        return Answer(200, headers, json.dumps(found).encode())

    # Queues

    def create_queue(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        tags = wanted.get("tags", {})
        queue = self._queues.create(region, wanted["QueueName"], wanted.get("Attributes", {}), tags)
        return {"QueueUrl": self._url_of(queue)}

    def get_queue_url(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return {"QueueUrl": self._url_of(self._queues.named(region, wanted["QueueName"]))}

    def list_queues(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        prefix = wanted.get("QueueNamePrefix", "")
        queues = self._queues.of_region(region).values()
        return {"QueueUrls": [self._url_of(queue) for queue in queues if queue.name.startswith(prefix)]}

    def delete_queue(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        self._queues.delete(region, _name_in(wanted))
        return {}

    def purge_queue(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        self._of(region, wanted).messages.clear()
        return {}

    def get_attributes(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        queue, names = self._of(region, wanted), wanted.get("AttributeNames", [])
        known = {
            **queue.attributes,
            "QueueArn": queue.arn,
            "CreatedTimestamp": str(int(queue.created_at)),
            "LastModifiedTimestamp": str(int(queue.changed_at)),
            **{name: str(count) for name, count in queue.counts(self._queues.clock.now()).items()},
        }
        return {"Attributes": known if "All" in names else {name: known[name] for name in names if name in known}}

    def set_attributes(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        self._queues.set_attributes(self._of(region, wanted), wanted["Attributes"])
        return {}

    def list_tags(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return {"Tags": self._of(region, wanted).tags}

    def tag(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        self._of(region, wanted).tags.update(wanted["Tags"])
        return {}

    def untag(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        for key in wanted["TagKeys"]:
            self._of(region, wanted).tags.pop(key, None)
        return {}

    def list_sources(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sources of the dead letters in a queue."""
        arn = self._of(region, wanted).arn
        redrives = ((queue, queue.redrive()) for queue in self._queues.of_region(region).values())
        return {"queueUrls": [self._url_of(queue) for queue, policy in redrives if policy and policy.target_arn == arn]}

    # Messages

    def send(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return self._send(self._of(region, wanted), wanted)

    def send_batch(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        queue, entries = self._of(region, wanted), wanted["Entries"]
        _check_batch(entries)
        if sum(_size(entry) for entry in entries) > _MAX_BATCH_BYTES:
            raise AwsError("BatchRequestTooLong", f"Batch requests cannot be longer than {_MAX_BATCH_BYTES} bytes.")
        return _each(entries, lambda entry: self._send(queue, entry))

    def receive(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        queue, count = self._of(region, wanted), int(wanted.get("MaxNumberOfMessages", 1))
        if not 1 <= count <= MAX_MESSAGES:
            raise AwsError(
                "InvalidParameterValue",
                f"Value {count} for parameter MaxNumberOfMessages is invalid. "
                "Reason: Must be between 1 and 10, if provided.",
            )
        wait = wanted.get("WaitTimeSeconds", queue.attributes["ReceiveMessageWaitTimeSeconds"])
        end, visibility = time.monotonic() + float(wait), wanted.get("VisibilityTimeout")
        while not (messages := self._queues.receive(queue, count, visibility)):
            left = end - time.monotonic()
            if left <= 0:
                return {}
            self._queues.changed.wait(min(left, 0.5))  # a hidden message becomes visible without a notice
        names = wanted.get("MessageSystemAttributeNames") or wanted.get("AttributeNames") or []
        return {"Messages": [_received(message, names, wanted) for message in messages]}

    def delete(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return _delete(self._of(region, wanted), wanted)

    def delete_batch(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        queue = self._of(region, wanted)
        _check_batch(wanted["Entries"])
        return _each(wanted["Entries"], lambda entry: _delete(queue, entry))

    def change_visibility(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return self._change_visibility(self._of(region, wanted), wanted)

    def change_visibility_batch(self, region: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        queue = self._of(region, wanted)
        _check_batch(wanted["Entries"])
        return _each(wanted["Entries"], lambda entry: self._change_visibility(queue, entry))

    def _change_visibility(self, queue: Queue, wanted: Mapping[str, Any]) -> dict[str, Any]:
        queue.change_visibility(wanted["ReceiptHandle"], float(wanted["VisibilityTimeout"]), self._queues.clock.now())
        return {}

    def _send(self, queue: Queue, wanted: Mapping[str, Any]) -> dict[str, Any]:
        if not wanted.get("MessageBody"):
            raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
        if _size(wanted) > queue.number("MaximumMessageSize"):
            limit = queue.attributes["MaximumMessageSize"]
            raise AwsError(
                "InvalidParameterValue",
                f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.",
            )
        if not _ALLOWED.fullmatch(wanted["MessageBody"]):
            raise AwsError("InvalidMessageContents", "Invalid characters found.")
        for name in ("MessageGroupId", "MessageDeduplicationId"):
            if name in wanted and not _ID.fullmatch(wanted[name]):
                raise AwsError(
                    "InvalidParameterValue",
                    f"Value {wanted[name]} for parameter {name} is invalid. Reason: {name} can only include "
                    "alphanumeric and punctuation characters. 1 to 128 in length.",
                )
        group = wanted.get("MessageGroupId", "")
        if queue.is_fifo and not group:
            raise AwsError("MissingParameter", "The request must contain the parameter MessageGroupId.")
        if queue.is_fifo and wanted.get("DelaySeconds"):
            raise AwsError(
                "InvalidParameterValue",
                f"Value {wanted['DelaySeconds']} for parameter DelaySeconds is "
                "invalid. Reason: The request include parameter that is not valid for this queue type.",
            )
        now = self._queues.clock.now()
        message = Message(
            wanted["MessageBody"],
            now,
            attributes=dict(wanted.get("MessageAttributes", {})),
            group=group,
            deduplication_id=wanted.get("MessageDeduplicationId", ""),
        )
        message = queue.send(message, float(wanted.get("DelaySeconds", queue.attributes["DelaySeconds"])), now)
        answer = {"MessageId": message.message_id, "MD5OfMessageBody": md5(message.body)}
        if message.attributes:
            answer["MD5OfMessageAttributes"] = md5_of_attributes(message.attributes)
        if queue.is_fifo:
            answer["SequenceNumber"] = sequence_text(message.sequence)
        return answer

    def _of(self, region: str, wanted: Mapping[str, Any]) -> Queue:
        return self._queues.named(region, _name_in(wanted))

    def _url_of(self, queue: Queue) -> str:
        return f"{self._url()}/{ACCOUNT}/{queue.name}"


_Operation = Callable[[Sqs, str, Mapping[str, Any]], dict[str, Any]]
_OPERATIONS: dict[str, _Operation] = {
    "CreateQueue": Sqs.create_queue,
    "GetQueueUrl": Sqs.get_queue_url,
    "ListQueues": Sqs.list_queues,
    "DeleteQueue": Sqs.delete_queue,
    "PurgeQueue": Sqs.purge_queue,
    "GetQueueAttributes": Sqs.get_attributes,
    "SetQueueAttributes": Sqs.set_attributes,
    "ListQueueTags": Sqs.list_tags,
    "TagQueue": Sqs.tag,
    "UntagQueue": Sqs.untag,
    "ListDeadLetterSourceQueues": Sqs.list_sources,
    "SendMessage": Sqs.send,
    "SendMessageBatch": Sqs.send_batch,
    "ReceiveMessage": Sqs.receive,
    "DeleteMessage": Sqs.delete,
    "DeleteMessageBatch": Sqs.delete_batch,
    "ChangeMessageVisibility": Sqs.change_visibility,
    "ChangeMessageVisibilityBatch": Sqs.change_visibility_batch,
}
_READS = (
    *("GetQueueUrl", "ListQueues", "GetQueueAttributes", "ListQueueTags", "ListDeadLetterSourceQueues"),
    "ReceiveMessage",  # notes its changes itself
)


def _name_in(wanted: Mapping[str, Any]) -> str:
    return str(wanted["QueueUrl"]).rpartition("/")[2]


def _delete(queue: Queue, wanted: Mapping[str, Any]) -> dict[str, Any]:
    queue.delete(wanted["ReceiptHandle"])
    return {}


def _received(message: Message, names: list[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    known = message.system_attributes()
    system = known if "All" in names else {name: known[name] for name in names if name in known}
    received: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": md5(message.body),
        "Body": message.body,
        **({"Attributes": system} if system else {}),
    }
    asked = wanted.get("MessageAttributeNames", [])
    shown = {name: value for name, value in message.attributes.items() if "All" in asked or name in asked}
    if shown:
        received.update(MessageAttributes=shown, MD5OfMessageAttributes=md5_of_attributes(shown))
    return received


def _size(wanted: Mapping[str, Any]) -> int:
    """Return the size of a message, as SQS counts it: its body, and names, types and values of its attributes."""
    attributes = wanted.get("MessageAttributes", {})
    return len(wanted["MessageBody"].encode(errors="surrogatepass")) + sum(
        len(name) + sum(len(str(part)) for part in value.values()) for name, value in attributes.items()
    )


def _check_batch(entries: list[Mapping[str, Any]]) -> None:
    if not entries:
        raise AwsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MAX_MESSAGES:
        raise AwsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are 10. You have sent {len(entries)}.",
        )
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise AwsError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")


def _each(
    entries: list[Mapping[str, Any]], run: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Run each entry of a batch; an error affects its entry alone."""
    done: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
    for entry in entries:
        try:
            done["Successful"].append({"Id": entry["Id"], **run(entry)})
        except AwsError as error:
            failure = {"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True}
            done["Failed"].append(failure)
    return done
