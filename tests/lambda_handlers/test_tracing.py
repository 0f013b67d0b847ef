"""Trace ids of callers: what is taken over, and where it is seen."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lambda_handlers.tracing import trace_ids
from tests.fakes.databases.service import container
from tests.fakes.stores.memory import memory_store

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
XRAY = "1-5759e988-bd862e3fe1be46a994272793"


class Context:
    aws_request_id = "aws-1"

    def __init__(self, traceparent: object = None) -> None:
        self.client_context = SimpleNamespace(custom={"traceparent": traceparent})

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@pytest.fixture(autouse=True)
def no_xray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", PARENT.upper(), f"00-{TRACE}", f"ff-{TRACE}-00f067aa0ba902b7-01", f"{PARENT}\n", 7, None),
        *(f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-{'0' * 16}-01"),
    ],
)
def test_a_malformed_parent_is_ignored(text: Any) -> None:
    assert trace_ids(Context(text)) == {}


def test_ids_come_from_a_header_the_client_context_and_xray(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trace_ids(None) == {}
    assert trace_ids(SimpleNamespace(client_context=None)) == {}
    assert trace_ids(None, {"traceparent": PARENT}) == {"trace_id": TRACE}
    assert trace_ids(Context(PARENT)) == {"trace_id": TRACE}
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={XRAY};Parent=53995c3f42cd8ad8;Sampled=1")
    assert trace_ids(Context(PARENT)) == {"trace_id": TRACE, "xray_trace_id": XRAY}
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=<script>;Sampled=1")
    assert trace_ids(None) == {}


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("query", ["INSERT INTO t VALUES (1)", "VACUUM"])
def test_each_message_of_a_queue_has_the_trace_of_its_producer(
    is_on: bool, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a group, and alone."""
    service = container(memory_store(), log_level="info", tracing=is_on)
    service.handle({"query": "CREATE TABLE t (a)"}, None)
    attribute = {"dataType": "String", "stringValue": PARENT}
    odd = {"traceparent": {"dataType": "Binary", "binaryValue": "AA=="}, "x": 7}
    records = [
        {
            "eventSource": "aws:sqs",
            "messageId": f"m{n}",
            "body": json.dumps({"query": query}),
            "messageAttributes": each,
        }
        for n, each in enumerate([{"traceparent": attribute}, {}, odd, None])
    ]
    assert service.handle({"Records": records}, Context()) == {"batchItemFailures": []}
    service.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = [line.get("trace_id") for line in lines if line["event"] == "request" and line.get("aws_request_id")]
    assert found == [TRACE if is_on else None, None, None, None]


@pytest.mark.parametrize("is_on", [True, False])
def test_they_are_in_the_log_and_in_the_reply_if_that_is_asked_for(
    is_on: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    service = container(memory_store(), log_level="info", tracing=is_on)
    reply = service.handle({"query": "SELECT 1"}, Context(PARENT))
    http = {"requestContext": {}, "rawPath": "/", "headers": {"Traceparent": PARENT}, "body": '{"query": "SELECT 1"}'}
    response = service.handle({**http, "requestContext": {"http": {"method": "POST", "path": "/"}}}, None)
    service.handle({"query": "nonsense"}, Context(PARENT))
    service.close()
    wanted = TRACE if is_on else None
    assert reply["body"]["stats"].get("trace_id") == wanted
    assert json.loads(response["body"])["stats"].get("trace_id") == wanted
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("trace_id") for line in lines if line["event"] == "request"] == [wanted] * 3
