"""The trace of this process: what is taken from the environment, and what carries it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from sldb.queue.letters import Letter
from sldb.queue.messages import Outgoing
from sldb.trace_parent import VARIABLE, http_headers, lambda_headers, message_attributes

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ATTRIBUTES = {"traceparent": {"DataType": "String", "StringValue": PARENT}}


@pytest.mark.parametrize(
    "text",
    ["", "x", PARENT.upper(), PARENT + "\r\nx: y", PARENT[:-1], "00-" + "0" * 32 + PARENT[35:], "ff" + PARENT[2:]],
)
def test_nothing_else_than_a_trace_parent_is_sent(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert http_headers() == lambda_headers() == message_attributes() == {}
    monkeypatch.delenv(VARIABLE)
    assert http_headers() == lambda_headers() == message_attributes() == {}


def test_each_way_has_its_own_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PARENT)
    assert http_headers() == {"traceparent": PARENT}
    context = base64.b64decode(lambda_headers()["X-Amz-Client-Context"])
    assert json.loads(context) == {"custom": {"traceparent": PARENT}}
    message = Outgoing("r1", "main", "{}")
    assert message.entry("0", fifo=False) == {"Id": "0", "MessageBody": "{}", "MessageAttributes": ATTRIBUTES}
    assert message.size_bytes == 2 + len("traceparent") + len("String") + len(PARENT)


def test_a_dead_letter_is_sent_again_with_its_own_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = Letter("m1", "receipt", '{"query": "SELECT 1"}', 0, 1, "", "")
    monkeypatch.setenv(VARIABLE, PARENT.replace("4bf9", "0000"))
    assert letter.again().attributes == {}
    assert replace(letter, attributes=ATTRIBUTES).again().attributes == ATTRIBUTES
