"""Values in the JSON of SQL over HTTP."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.http.hrana.values import decode_value, encode_line, encode_row
from lambda_handlers.wire import encode_line as stored_line

VALUES = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
)


def encoded(value):
    [body] = json.loads(encode_row((value,)), parse_constant=pytest.fail)
    return body


@given(st.lists(st.one_of(VALUES, st.floats())))
def test_a_stored_row_is_shown_as_any_other(row):
    assert encode_line(stored_line(tuple(row))).decode() == encode_row(row)


@given(VALUES)
def test_a_value_survives_the_way(value):
    body = encoded(value)
    assert decode_value(body, "value") == value
    assert type(decode_value(body, "value")) is type(value)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_json_cannot_say_is_null(number):
    assert encoded(number) == {"type": "float", "value": None}


def test_a_float_of_null_is_null_as_sqlite_binds_nan():
    assert decode_value({"type": "float", "value": None}, "value") is None


@pytest.mark.parametrize(
    ("text", "value"), [("3q2+7w", b"\xde\xad\xbe\xef"), ("3q2+7w==", b"\xde\xad\xbe\xef"), ("", b"")]
)
def test_blobs_come_with_padding_or_without(text, value):
    assert decode_value({"type": "blob", "base64": text}, "value") == value


def test_blobs_leave_without_padding():
    assert encoded(b"\xde\xad\xbe\xef") == {"type": "blob", "base64": "3q2+7w"}


@pytest.mark.parametrize(
    "body",
    [
        None,
        5,
        [],
        {},
        {"type": None},
        {"type": ["integer"]},
        {"type": "number", "value": 1},
        {"type": "integer", "value": 1},
        {"type": "integer", "value": "1.0"},
        {"type": "integer", "value": "9223372036854775808"},
        {"type": "integer", "value": "-9223372036854775809"},
        {"type": "integer", "value": "1" * 5000},
        {"type": "integer", "value": "\u0661"},
        {"type": "float", "value": "1.5"},
        {"type": "float", "value": True},
        {"type": "float", "value": 10**400},
        {"type": "text"},
        {"type": "text", "value": "\ud800"},
        {"type": "blob"},
        {"type": "blob", "base64": "3q2-7w"},
        {"type": "blob", "base64": "a"},
        {"type": "blob", "base64": "3q2+7w=\n"},
    ],
)
def test_what_is_no_value(body):
    with pytest.raises(ProtocolFailure) as caught:
        decode_value(body, "args[0]")
    assert caught.value.status == 400
    assert caught.value.message.startswith("args[0]")
