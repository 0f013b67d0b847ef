"""Requests, replies and values as they travel."""

from __future__ import annotations

import gc
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.wire import (
    ERROR_CODES,
    INTEGER_MAX,
    INTEGER_MIN,
    Action,
    Request,
    SldbError,
    Statement,
    decode_value,
    encode_value,
)
from lambda_handlers.wire.values import decode_row, encode_row, encode_rows

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=50)
VALUES = st.one_of(st.none(), st.integers(INTEGER_MIN, INTEGER_MAX), st.floats(), TEXT, st.binary(max_size=50))
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
PARAMS = st.one_of(st.none(), st.lists(VALUES, max_size=4).map(tuple), st.dictionaries(NAMES, VALUES, max_size=4))


def same(one: object, other: object) -> bool:
    """Equality that tells 1 from 1.0, 0.0 from -0.0 and takes NaN for itself."""
    if isinstance(one, float) and isinstance(other, float):
        return math.copysign(1, one) == math.copysign(1, other) and (
            one == other or (math.isnan(one) and math.isnan(other))
        )
    return type(one) is type(other) and one == other


@given(st.lists(VALUES))
def test_a_row_is_written_and_read_like_its_values(row):
    encoded = json.loads(json.dumps(encode_row(tuple(row))))
    assert json.dumps(encode_row(tuple(row))) == json.dumps([encode_value(value) for value in row])
    assert all(map(same, decode_row(encoded), map(decode_value, encoded)))


@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[VALUES] * width))))
@example([(1.5,), (None,), (2,), (math.nan,)])
@example([(math.inf,), (-math.inf,)])
@example([(1.7e308,), (1.7e308,)])  # their sum is infinite, they are not
@example([(2**63 - 1, "x"), (-0.0, b"x")])
@example([(float(at),) for at in range(300)] + [(math.inf,)])
def test_rows_are_written_like_each_of_them(rows):
    assert json.dumps(encode_rows(rows), allow_nan=False) == json.dumps(list(map(encode_row, rows)))


def test_the_collector_of_garbage_is_left_as_it_was():
    assert gc.isenabled()
    encode_rows([(1,)])
    assert gc.isenabled()
    gc.disable()
    try:
        encode_rows([(1,)])
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("value", ["\ud800", 2**63, -(2**63) - 1, [], {"$blob": "?"}])
def test_what_is_no_value_is_refused_in_a_row_too(value):
    with pytest.raises(SldbError, match="want"):
        decode_row([1, value])
    assert decode_row([True, False, None]) == (1, 0, None)


@given(VALUES)
def test_a_value_survives_the_round_trip_through_json(value):
    if isinstance(value, float) and math.isnan(value):
        value = math.nan  # of NaN only that it is one
    assert same(decode_value(json.loads(json.dumps(encode_value(value)))), value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**53 + 1, "9007199254740993"),
        (INTEGER_MIN, "-9223372036854775808"),
        (b"\x00\xff", '{"$blob": "AP8="}'),
        (math.inf, '{"$float": "inf"}'),
        (-math.inf, '{"$float": "-inf"}'),
        (None, "null"),
        (1.0, "1.0"),
        ("\x00é", '"\\u0000\\u00e9"'),
    ],
)
def test_how_a_value_is_written(value, text):
    assert json.dumps(encode_value(value)) == text


@given(
    st.builds(
        Request,
        statements=st.lists(st.builds(Statement, TEXT, PARAMS), min_size=1, max_size=3).map(tuple),
        database=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
        at=st.one_of(st.none(), st.integers(0, 2**64 - 1), st.just("2026-11-01T10:00:00Z")),
        max_staleness=st.floats(0, 1e6),
        read_only=st.booleans(),
        if_txid=st.one_of(st.none(), st.integers(0, 2**64 - 1)),
        min_txid=st.integers(0, 2**64 - 1),
        request_id=st.one_of(st.none(), st.from_regex(r"[!-~]{1,200}", fullmatch=True)),
        dry_run=st.booleans(),
        timeout=st.one_of(st.none(), st.floats(0, 1e6)),
    )
)
def test_a_request_survives_the_round_trip(request):
    assert repr(Request.decode(json.loads(json.dumps(request.encode())))) == repr(request)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"query": 1}, "query"),
        ({"query": "SELECT 1", "databse": "x"}, "databse"),
        ({"query": "SELECT 1", "database": "Main"}, "database"),
        ({"query": "SELECT 1", "database": "../x"}, "database"),
        ({"query": "SELECT 1", "database": "a" * 64}, "database"),
        ({"query": "SELECT 1", "at": -1}, "at"),
        ({"query": "SELECT 1", "at": True}, "at"),
        ({"query": "SELECT 1", "max_staleness": "5"}, "max_staleness"),
        ({"query": "SELECT 1", "timeout": -1}, "timeout"),
        ({"query": "SELECT 1", "timeout": math.nan}, "timeout"),
        ({"query": "SELECT 1", "read_only": 1}, "read_only"),
        ({"query": "SELECT 1", "if_txid": 1.5}, "if_txid"),
        ({"query": "SELECT 1", "min_txid": -1}, "min_txid"),
        ({"query": "SELECT 1", "min_txid": "1"}, "min_txid"),
        ({"query": "SELECT 1", "request_id": ""}, "request_id"),
        ({"query": "SELECT 1", "request_id": "a\nb"}, "request_id"),
        ({"query": "SELECT 1", "params": "text"}, "params"),
        ({"query": "SELECT 1", "params": [2**63]}, "params[0]"),
        ({"query": "SELECT 1", "params": ["\ud800"]}, "params[0]"),
        ({"query": "SELECT 1", "params": {"a": {"$blob": "!"}}}, "params.a"),
        ({"query": "SELECT 1", "params": {"a": {"$blob": 3}}}, "params.a"),
        ({"query": "SELECT 1", "params": [{"$float": "1"}]}, "params[0]"),
        ({"query": "SELECT 1", "params": [[1]]}, "params[0]"),
        ({"statements": []}, "statements"),
        ({"statements": "SELECT 1"}, "statements"),
        ({"statements": ["SELECT 1"]}, "statements[0]"),
        ({"statements": [{"query": "SELECT 1", "database": "x"}]}, "statements[0].database"),
        ({"statements": [{"query": "SELECT 1"}], "params": [1]}, "params"),
        ("SELECT 1", "event"),
        (None, "event"),
    ],
)
def test_what_is_no_request_is_refused_by_the_name_of_the_field(event, field):
    with pytest.raises(SldbError) as caught:
        Request.decode(event)
    assert caught.value.code == "bad_request"
    assert caught.value.details["field"] == field
    assert caught.value.message.startswith(field)


@pytest.mark.parametrize("event", [{}, {"query": "SELECT 1", "statements": [{"query": "SELECT 2"}]}])
def test_a_request_has_either_query_or_statements(event):
    with pytest.raises(SldbError, match="either query or statements"):
        Request.decode(event)


@pytest.mark.parametrize("name", ["id", ":id", "@id", "$id"])
def test_a_parameter_may_be_named_with_or_without_its_sign(name):
    assert Request.decode({"query": "SELECT :id", "params": {name: True}}).statements[0].params == {"id": 1}


@pytest.mark.parametrize("code", ERROR_CODES)
def test_an_error_survives_the_round_trip(code):
    error = SldbError(code, "what", "next", statement=2, offset=None)
    again = SldbError.decode(json.loads(json.dumps(error.encode())))
    assert (again.code, again.message, again.hint, again.details) == (code, "what", "next", {"statement": 2})


def test_an_error_of_a_newer_server_is_still_an_error():
    assert SldbError.decode({"error": {"code": "new_code", "message": "m"}}).code == "internal"


def test_the_fields_of_an_event_have_an_order() -> None:
    """That of the dataclass, which alone states the defaults."""
    request = Request((Statement("SELECT ?", (1,)),), "d", 5, 1.5, True, 4, "id", "a", True, True, False, 9.0, "s")
    assert json.dumps(request.encode()) == (
        '{"query": "SELECT ?", "params": [1], "database": "d", "at": 5, "max_staleness": 1.5, "read_only": true, '
        '"if_txid": 4, "request_id": "id", "attempt": "a", "dry_run": true, "careful": true, "create": false, '
        '"timeout": 9.0, "stack": "s"}'
    )
    assert json.dumps(Request((Statement("SELECT 1"),)).encode()) == '{"query": "SELECT 1"}'
    action = Action("history", "d", {"limit": 5}, create=False, timeout=9.0, stack="s")
    assert json.dumps(action.encode()) == (
        '{"action": "history", "database": "d", "arguments": {"limit": 5}, "create": false, "timeout": 9.0, '
        '"stack": "s"}'
    )
    assert json.dumps(Action("history").encode()) == '{"action": "history"}'
