"""The time that API Gateway gives a request."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.deadline import seconds_for
from lambda_handlers.http.gateway_time import limited
from lambda_handlers.wire import Request
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container
from tests.fakes.gateway import http_event, rest_event
from tests.fakes.stores.memory import memory_store

START = 1_800_000_000.0
REQUEST = Request.decode({"query": "SELECT 1"})


class Invocation:
    """Lambda's context: a clock that ends."""

    aws_request_id = "lambda-1"

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._ends_at = clock.time + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._ends_at - self._clock.time) * 1000))


def seconds(event: dict[str, Any], function_seconds: float = 900.0, now: float = START) -> float:
    """Return the time of a request of this event."""
    clock = Clock(now)
    context = limited(event, Invocation(clock, function_seconds), clock.now)
    assert context.aws_request_id == "lambda-1"
    return seconds_for(REQUEST, context.get_remaining_time_in_millis() / 1000)


def test_requests_end_while_api_gateway_still_waits() -> None:
    assert seconds(http_event("token", at=START)) == 28.0
    assert seconds(http_event(None, at=START)) == 28.0
    assert seconds(rest_event("key", at=START)) == 27.0


def test_the_function_may_have_less() -> None:
    assert seconds(http_event("token", at=START), function_seconds=12.0) == 10.0


def test_what_a_cold_start_took_is_gone() -> None:
    assert seconds(http_event("token", at=START - 5)) == 23.0
    assert seconds(rest_event("key", at=START - 5)) == 22.0


def test_the_requests_of_a_pipeline_share_the_time() -> None:
    clock = Clock(START)
    context = limited(http_event("token", at=START), Invocation(clock, 900.0), clock.now)
    left = []
    for _ in range(4):
        left.append(context.get_remaining_time_in_millis())
        clock.time += 11
    assert left == [30_000, 19_000, 8_000, 0]


@pytest.mark.parametrize("ahead", [-86_400.0, -31.0, 0.001, 31.0, 86_400.0])
def test_clocks_that_differ_take_no_time_away(ahead: float) -> None:
    """API Gateway's clock is ahead of the container's, or so far behind that its time would be over."""
    assert seconds(http_event("token", at=START + ahead)) == 28.0


@given(st.floats(-100, 100), st.floats(1, 900), st.sampled_from(["token", None]))
def test_no_request_has_more_time_than_both(ahead: float, function_seconds: float, front: str | None) -> None:
    assert 0 <= seconds(http_event(front, at=START + ahead), function_seconds) <= min(28.0, function_seconds)


@pytest.mark.parametrize(
    "event",
    [
        http_event(None, at=START)
        | {"requestContext": {"timeEpoch": int(START * 1000), "domainName": "x.lambda-url.us-east-1.on.aws"}},
        rest_event(None, at=START),  # of an account with more time by quota
        {"rawPath": "/", "requestContext": {}},
        {"rawPath": "/", "requestContext": None},
        {"rawPath": "/", "requestContext": {"timeEpoch": None}},
        {"rawPath": "/", "requestContext": {"timeEpoch": "1800000000000"}},
        {"rawPath": "/", "requestContext": {"timeEpoch": True}},
    ],
)
def test_other_events_have_the_time_of_the_function(event: dict[str, Any]) -> None:
    assert seconds(event, function_seconds=602.0) == 600.0


@pytest.mark.parametrize(
    ("function_seconds", "seconds", "hint"), [(900.0, 28.0, "API Gateway"), (12.0, 10.0, "deploy")]
)
def test_a_request_that_does_not_end_is_answered_before_the_gateway_gives_up(
    function_seconds: float, seconds: float, hint: str
) -> None:
    """A clock that goes on by ten milliseconds whenever it is read."""
    clock = Clock(START)

    def now() -> float:
        clock.time += 0.01
        return clock.time

    service = container(memory_store(), host=replace(clock.host(), now=now))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
    with closing(service):
        event = http_event(None, body={"query": endless}, at=START)
        response = service.handle(event, Invocation(clock, function_seconds))
    error = json.loads(response["body"])["error"]
    assert (response["statusCode"], error["code"], error["applied"]) == (408, "query_timeout", "no")
    assert hint in error["hint"]
    assert seconds - 1 < clock.time - START < seconds + 1
