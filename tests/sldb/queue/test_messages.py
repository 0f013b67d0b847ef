"""Messages: what they carry, their ids and order, and the batches in which SQS takes them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.queue.letters import Letter
from sldb.queue.messages import MAX_BATCH, Outgoing, batches, body_of, message_of

INSERT = (Statement("INSERT INTO t VALUES (?)", (1,)),)


@given(st.lists(st.integers(1, 262_144), max_size=40))
def test_batches_keep_the_order_and_the_limits(sizes: list[int]) -> None:
    sent = [Outgoing(str(place), "main", "x" * size) for place, size in enumerate(sizes)]
    found = list(batches(sent))
    assert [message for batch in found for message in batch] == sent
    assert all(len(batch) <= MAX_BATCH and sum(each.size_bytes for each in batch) <= 262_144 for batch in found)


def test_a_message_is_the_request_with_its_id() -> None:
    request = Request(INSERT, "orders", request_id="r1", attempt="a", create=False)
    message = message_of(request)
    event = json.loads(message.body)
    assert Request.decode(event) == Request(INSERT, "orders", request_id="r1", create=False)
    entry = message.entry("0", fifo=True)
    assert (entry["MessageGroupId"], entry["MessageDeduplicationId"]) == ("orders", "r1")
    assert message.entry("0", fifo=False) == {"Id": "0", "MessageBody": message.body}


@pytest.mark.parametrize("given", [{"at": 3}, {"dry_run": True}])
def test_what_needs_a_reply_is_refused(given: dict[str, int | bool]) -> None:
    with pytest.raises(SldbError, match="nobody waits for the reply"):
        message_of(Request(INSERT, request_id="r", **given))  # type: ignore[arg-type]  # of many types


def test_a_large_request_is_refused_before_it_is_sent() -> None:
    with pytest.raises(SldbError, match="a message of the queue at most 262,144") as caught:
        message_of(Request((Statement("SELECT ?", ("x" * 262_144,)),), request_id="r"))
    assert caught.value.details["applied"] == "no"


def letter(body: object, group: str = "") -> Letter:
    text = body if isinstance(body, str) else json.dumps(body)
    return Letter("m1", "receipt", text, 0, 1, group, "")


@pytest.mark.parametrize(
    ("body", "request_id", "database"),
    [
        ({"query": "x", "request_id": "r1", "database": "orders"}, "r1", "orders"),
        ({"query": "x"}, "m1", "main"),
        ("no JSON", "m1", "main"),
        ({"requestContext": {"requestId": "i1"}, "requestPayload": {"query": "x", "asynchronous": True}}, "i1", "main"),
    ],
)
def test_a_letter_is_sent_again_with_its_id(body: object, request_id: str, database: str) -> None:
    again = letter(body).again()
    assert (again.request_id, again.database) == (request_id, database)
    if body == "no JSON":
        assert again.body == body
    else:
        event = json.loads(again.body)
        assert event["request_id"] == request_id
        Request.decode(event)


def test_a_letter_of_a_group_stays_in_it() -> None:
    assert letter({"query": "x", "database": "orders"}, group="g").again().database == "g"


def test_the_error_of_a_failed_invocation_is_shown() -> None:
    record = {"requestContext": {"requestId": "i"}, "requestPayload": {}, "responsePayload": {"errorMessage": "no"}}
    assert letter(record).failure == "no"


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, "[1]", "", {"requestContext": 5}, {"requestContext": None, "requestPayload": {"query": "y"}}]
    + [{"query": "x", "request_id": value} for value in (5, "", None, "r" * 300)]
    + ['{"query": "\\ud800"}', {"query": "x", "database": "a b"}, {"query": "x", "database": 5}],
)
def test_a_letter_with_any_body_is_shown_and_can_be_sent(body: object) -> None:
    found = letter(body)
    assert (found.failure, bool(found.database), bool(found.request_id)) == ("", True, True)
    entry = found.again().entry("0", fifo=True)
    assert all(re.fullmatch("[!-~]{1,128}", entry[name]) for name in ("MessageGroupId", "MessageDeduplicationId"))
    entry["MessageBody"].encode()


def test_a_letter_sent_again_is_no_duplicate_of_its_first_message() -> None:
    """SQS would drop it for five minutes, and the dead letter would be deleted."""
    sent = message_of(Request(INSERT, request_id="r1"))
    first = sent.entry("0", fifo=True)
    again = letter(sent.body).again().entry("0", fifo=True)
    assert first["MessageDeduplicationId"] != again["MessageDeduplicationId"] == "m1"
    assert again["MessageBody"] == sent.body


@given(st.text(st.characters()))
def test_a_body_has_only_characters_that_sqs_takes(text: str) -> None:
    body = body_of({"query": text})
    assert re.fullmatch("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", body)
    assert json.loads(body) == {"query": text}
