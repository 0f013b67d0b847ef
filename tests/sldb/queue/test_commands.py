"""`sldb queue` where there is nothing to do, and the wording for one message and for several."""

from __future__ import annotations

import json

from tests.sldb.commands import Commands


def test_nothing_to_do_and_one_dead_letter(sldb: Commands) -> None:
    sldb.ok("deploy", "--queue", "fifo", "--lock", "none", "--queue-batch", "1")
    outputs = sldb.outputs()
    mapping = sldb.client("lambda")
    mapping.update_event_source_mapping(UUID=outputs["QueueMappingId"], Enabled=False)
    for words, says in (
        (("peek", "--waiting"), "no messages wait in the queue"),
        (("redrive",), "no dead letters"),
        (("redrive", "--yes"), "no dead letters"),
        (("redrive", "--from", outputs["QueueUrl"]), "no messages in "),
        (("purge", "--failed", "--yes"), "no failed invocations: nothing was changed"),
    ):
        ran = sldb.ok("queue", *words)
        assert (ran.out, ran.err.startswith(says)) == ("", True), (words, ran)
    body = json.dumps({"query": "SELECT 1", "request_id": "mine"})
    url = outputs["DeadLettersUrl"]
    sldb.client("sqs").send_message(QueueUrl=url, MessageBody=body, MessageGroupId="a", MessageDeduplicationId="a")
    (taken,) = sldb.client("sqs").receive_message(QueueUrl=url)["Messages"]
    assert sldb.ok("queue", "peek").err.startswith("no message can be shown now: in flight: 1")
    hidden = {"QueueUrl": url, "ReceiptHandle": taken["ReceiptHandle"], "VisibilityTimeout": 0}
    sldb.client("sqs").change_message_visibility(**hidden)
    ran = sldb.ok("queue", "redrive", "--yes")
    assert (ran.out.split(), ran.err.startswith("1 message sent again; ")) == (["mine"], True)
    ran = sldb.ok("queue", "purge", "--waiting", "--yes")
    assert ran.err.startswith("deleted: about 1 message of ")
