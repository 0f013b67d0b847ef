"""The field `pin` of a request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Request, SldbError, Statement
from lambda_handlers.wire.pin import Pin

LAST_MS = 253_402_300_799_999  # of the year 9999
SEED, TIME = "00" * 16, "2026-11-26T11:04:12.345Z"


@given(st.binary(min_size=16, max_size=64), st.integers(0, LAST_MS))
def test_it_survives_the_round_trip(seed, time_ms):
    request = Request((Statement("SELECT 1"),), pin=Pin(seed, time_ms))
    assert Request.decode(json.loads(json.dumps(request.encode()))) == request


def test_a_time_to_the_second_is_its_beginning():
    pin = Request.decode({"query": "SELECT 1", "pin": {"seed": SEED, "time": "2026-11-26T20:04:12+09:00"}}).pin
    assert pin == Pin(bytes(16), 1_795_691_052_000)


@pytest.mark.parametrize(
    ("pin", "field"),
    [
        ("seed", "pin"),
        ([SEED, TIME], "pin"),
        ({"time": TIME}, "pin.seed"),
        ({"seed": SEED}, "pin.time"),
        ({"seed": "00" * 15, "time": TIME}, "pin.seed"),
        ({"seed": "00" * 65, "time": TIME}, "pin.seed"),
        ({"seed": "0g" * 16, "time": TIME}, "pin.seed"),
        ({"seed": 16, "time": TIME}, "pin.seed"),
        ({"seed": SEED, "time": "2026-11-26T11:04:12"}, "pin.time"),
        ({"seed": SEED, "time": "now"}, "pin.time"),
        ({"seed": SEED, "time": 1.5}, "pin.time"),
        ({"seed": SEED, "time": TIME, "index": 1}, "pin.index"),
        ({"seed": SEED, "time": TIME, 1: 1}, "pin.1"),
    ],
)
def test_another_value_is_refused_by_the_name_of_the_field(pin, field):
    with pytest.raises(SldbError) as caught:
        Request.decode({"query": "SELECT 1", "pin": pin})
    assert (caught.value.code, caught.value.details["field"]) == ("bad_request", field)


def test_it_does_not_stand_beside_a_transaction_which_has_its_own():
    with pytest.raises(SldbError) as caught:
        Request.decode(
            {"query": "SELECT 1", "pin": {"seed": SEED, "time": TIME}, "transaction": {"begin": True}},
        )
    assert caught.value.details["field"] == "pin"
