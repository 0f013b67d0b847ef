"""The queue of the emulator against what the developer guide promises: properties first, then single rules."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.sqs.message import Message, md5_of_attributes
from sldb.emulator.sqs.queue import Queue

VISIBILITY, TRIES = 30, 3
_DEFAULTS = {"MessageRetentionPeriod": "345600", "DelaySeconds": "0"}
_REDRIVE = json.dumps({"deadLetterTargetArn": "arn:dead", "maxReceiveCount": TRIES})


def queue(*, fifo: bool, **attributes: str) -> Queue:
    kind = {"FifoQueue": "true"} if fifo else {}
    return Queue("q", "arn:q", {**_DEFAULTS, **kind, **attributes}, 0.0, 0.0)


def sent(into: Queue, name: str, group: str = "a", now: float = 0.0) -> Message:
    return into.send(Message(name, now, group=group, deduplication_id=name), 0, now)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from("abc")),
        st.tuples(st.just("receive"), st.integers(1, 10)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1, 10, 31])),
    ),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_no_message_is_lost_or_given_out_twice_at_a_time(steps: list[tuple[str, object]], fifo: bool) -> None:
    it, now, sent_ids = queue(fifo=fifo, RedrivePolicy=_REDRIVE), 0.0, list[str]()
    in_flight: dict[str, tuple[Message, float]] = {}
    gone, dead = set[str](), set[str]()
    for step, value in steps:
        in_flight = {name: each for name, each in in_flight.items() if each[1] > now}
        if step == "send":
            sent_ids.append(sent(it, f"m{len(sent_ids)}", str(value), now).message_id)
        elif step == "receive":
            got, died = it.receive(int(str(value)), VISIBILITY, now)
            dead |= {message.message_id for message in died}
            for message in got:
                assert message.message_id not in in_flight
                assert message.receive_count <= TRIES
            if fifo:
                busy = {message.group for message, _ in in_flight.values()}
                assert not busy & {message.group for message in got}
            in_flight.update({message.message_id: (message, now + VISIBILITY) for message in got})
        elif step == "delete" and in_flight:
            message, _ = list(in_flight.values())[int(str(value)) % len(in_flight)]
            it.delete(message.receipt)
            gone.add(message.message_id)
            del in_flight[message.message_id]
        elif step == "wait":
            now += int(str(value))
    assert sorted(sent_ids) == sorted([*gone, *dead, *(message.message_id for message in it.messages)])
    assert not gone & dead


@given(st.lists(st.sampled_from("ab"), max_size=20), st.lists(st.integers(1, 10), max_size=20))
def test_a_group_comes_in_the_order_of_sending(groups: list[str], counts: list[int]) -> None:
    it = queue(fifo=True)
    for position, group in enumerate(groups):
        sent(it, f"{position:03d}", group)
    seen: dict[str, list[str]] = {"a": [], "b": []}
    for count in counts:
        got, _ = it.receive(count, VISIBILITY, 1.0)
        for message in got:
            seen[message.group].append(message.body)
            it.delete(message.receipt)
    assert all(one < other for bodies in seen.values() for one, other in pairwise(bodies))


@given(STEPS, st.booleans())
def test_the_state_can_be_saved(steps: list[tuple[str, object]], fifo: bool) -> None:
    it = queue(fifo=fifo, RedrivePolicy=_REDRIVE)
    for position, (step, value) in enumerate(steps):
        if step == "send":
            sent(it, str(position), str(value))
        elif step == "receive":
            it.receive(3, VISIBILITY, float(position))
    assert Queue.decode(json.loads(json.dumps(it.encode()))) == it


def test_the_same_deduplication_id_is_accepted_again_after_five_minutes() -> None:
    it = queue(fifo=True)
    first, again = sent(it, "x", now=0.0), sent(it, "x", now=299.0)
    assert (again.message_id, again.sequence) == (first.message_id, first.sequence)
    assert sent(it, "x", now=301.0).message_id != first.message_id
    assert len(it.messages) == 2


def test_a_fifo_message_needs_a_deduplication_id_unless_its_content_is_one() -> None:
    with pytest.raises(AwsError, match="ContentBasedDeduplication"):
        queue(fifo=True).send(Message("x", 0.0, group="a"), 0, 0.0)
    it = queue(fifo=True, ContentBasedDeduplication="true")
    for _ in range(2):
        it.send(Message("x", 0.0, group="a"), 0, 0.0)
    assert len(it.messages) == 1


def test_a_dead_letter_keeps_its_id_and_in_a_standard_queue_its_age() -> None:
    for fifo in (False, True):
        it, letters = queue(fifo=fifo, RedrivePolicy=_REDRIVE), queue(fifo=fifo)
        message = sent(it, "x")
        for round_ in range(TRIES):
            assert it.receive(1, VISIBILITY, round_ * 31.0) == ([message], [])
        assert it.receive(1, VISIBILITY, 100.0) == ([], [message])
        letters.take_dead_letter(message, it, 100.0)
        assert [each.message_id for each in letters.messages] == [message.message_id]
        assert message.sent_at == (100.0 if fifo else 0.0)
        assert message.system_attributes()["DeadLetterQueueSourceArn"] == "arn:q"


def test_an_old_receipt_deletes_nothing() -> None:
    it = queue(fifo=False)
    sent(it, "x")
    (message,), _ = it.receive(1, VISIBILITY, 0.0)
    old = message.receipt
    it.receive(1, VISIBILITY, 31.0)
    it.delete(old)
    assert it.messages == [message]


def test_visibility_can_be_changed_only_in_flight() -> None:
    it = queue(fifo=False)
    sent(it, "x")
    (message,), _ = it.receive(1, VISIBILITY, 0.0)
    it.change_visibility(message.receipt, 0, 1.0)
    assert it.counts(1.0)["ApproximateNumberOfMessages"] == 1
    with pytest.raises(AwsError, match="isn't in flight"):
        it.change_visibility(message.receipt, 10, 2.0)


def test_messages_end_with_their_retention() -> None:
    it = queue(fifo=False, MessageRetentionPeriod="60")
    sent(it, "x")
    assert it.counts(59.0)["ApproximateNumberOfMessages"] == 1
    assert it.counts(60.0)["ApproximateNumberOfMessages"] == 0


def test_digest_of_attributes_is_that_of_moto() -> None:
    from moto.sqs.models import Message as OfMoto

    attributes = {
        "kind": {"DataType": "String", "StringValue": "ü"},
        "count": {"DataType": "Number", "StringValue": "12"},
    }
    other = OfMoto("id", "body")
    other.message_attributes = attributes
    assert md5_of_attributes(attributes) == other.attribute_md5
