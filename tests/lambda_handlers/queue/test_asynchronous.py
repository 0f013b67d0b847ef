"""Asynchronous invocations: what fails is an error of the function, and what comes again is applied once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers import db_function
from lambda_handlers.queue import asynchronous
from lambda_handlers.queue.asynchronous import RequestFailed
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

INSERT = {"query": "INSERT INTO t VALUES ('secret')"}


class Context:
    aws_request_id = "aws-1"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Any:
    made = container(memory_store(), host=clock.host())
    run(made, "CREATE TABLE t (a UNIQUE)")
    yield made
    made.close()


def test_a_success_is_the_reply(service: Any) -> None:
    reply = asynchronous.handle(service, {**INSERT, "asynchronous": True}, Context())
    assert (reply["statusCode"], reply["body"]["txid"]) == (200, 2)


def test_an_error_is_raised_without_a_value_in_it(service: Any) -> None:
    run(service, INSERT["query"])
    with pytest.raises(RequestFailed) as caught:
        asynchronous.handle(service, {**INSERT, "asynchronous": True, "database": "main"}, Context())
    assert json.loads(str(caught.value)) == {"code": "constraint", "database": "main", "request_id": "aws-1"}


@pytest.mark.parametrize("sent", [{"query": 5}, {"action": "history", "arguments": {"no": 1}}, {"request_id": 7}])
def test_what_is_no_request_is_raised_too(service: Any, sent: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed, match="bad_request"):
        asynchronous.handle(service, sent, Context())


@pytest.mark.parametrize("given", [{}, {"request_id": "r"}])
def test_a_repetition_is_recognised_for_days(service: Any, clock: Clock, given: dict[str, Any]) -> None:
    for days in (0, 1, 5):
        clock.time = 1_800_000_000.0 + days * 86_400
        reply = asynchronous.handle(service, {**INSERT, **given}, Context())
        assert (reply["statusCode"], reply["body"]["txid"]) == (200, 2)
    assert act(service, "result", request_id=given.get("request_id", "aws-1"))["state"] == "applied"


@pytest.mark.parametrize("value", [False, "true", 1, None])
def test_the_field_is_true_or_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: object) -> None:
    monkeypatch.setenv("SLDB_STORE", f"file://{tmp_path}")
    assert db_function.handler({"query": "SELECT x", "asynchronous": value})["statusCode"] == 400


def test_the_handler_raises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLDB_STORE", f"file://{tmp_path}")
    with pytest.raises(RequestFailed, match="sql_error"):
        db_function.handler({"query": "SELECT x", "asynchronous": True})
    assert db_function.handler({"query": "SELECT 1", "asynchronous": True})["statusCode"] == 200
    monkeypatch.setenv("SLDB_STORE", "nonsense")
    with pytest.raises(Exception, match="SLDB_STORE"):
        db_function.handler({"query": "SELECT 1", "asynchronous": True})
