"""Values in the JSON of SQL over HTTP."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.http.hrana.values import decode_value, encode_line, encode_row
from lambda_handlers.wire import encode_line as stored_line
from tests.fakes.databases.hrana import HranaClient, execute, rows
from tests.fakes.databases.hrana import encoded as sent_value
from tests.fakes.databases.service import container
from tests.fakes.stores.memory import memory_store

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


# Values through SQLite

TYPES = {type(None): "null", int: "integer", float: "real", str: "text", bytes: "blob"}


@pytest.fixture(scope="module")
def stream() -> Iterator[HranaClient]:
    store = memory_store()
    service = container(store)
    yield HranaClient(store, service)
    service.close()


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_sqlite_has_the_value_that_was_sent_and_shows_it(stream, values):
    marks = ", ".join("?, typeof(?)" for _ in values)
    [row] = stream.rows(f"SELECT {marks}", *(value for value in values for _ in range(2)))
    assert list(row[::2]) == values
    assert [type(value) for value in row[::2]] == [type(value) for value in values]
    assert list(row[1::2]) == [TYPES[type(value)] for value in values]


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), VALUES, min_size=1, max_size=5))
def test_names_bind_with_any_sign_or_none(stream, values):
    """The specification, 8.1: names match without their sign."""
    signs = ":@$"
    sql = ", ".join(f"{signs[i % 3]}{name}" for i, name in enumerate(values))
    named = [
        {"name": ("", *signs)[i % 4] + name, "value": sent_value(value)}
        for i, (name, value) in enumerate(values.items())
    ]
    [result] = stream.send(execute(f"SELECT {sql}", named_args=named))
    assert rows(result) == [tuple(values.values())]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(1 << 53), 1 << 53))
def test_a_float_is_real_however_json_writes_it(stream, number):
    sent = {"type": "float", "value": number}
    [result] = stream.send({"type": "execute", "stmt": {"sql": "SELECT ?, typeof(?)", "args": [sent, sent]}})
    [(shown, kind)] = rows(result)
    assert (shown, kind) == (float(number), "real")
    assert math.copysign(1, shown) == math.copysign(1, number)


@given(st.binary(max_size=40), st.booleans())
def test_each_blob_is_taken_with_padding_and_without_and_shown_without(stream, content, is_padded):
    text = base64.b64encode(content).decode()
    sent = {"type": "blob", "base64": text if is_padded else text.rstrip("=")}
    [result] = stream.send({"type": "execute", "stmt": {"sql": "SELECT ?", "args": [sent]}})
    assert result["response"]["result"]["rows"] == [[{"type": "blob", "base64": text.rstrip("=")}]]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4))
def test_what_is_no_value_of_sql_over_http_fails_the_whole_request(stream, body):
    stream.post({"requests": [{"type": "execute", "stmt": {"sql": "SELECT ?", "args": [body]}}]})
    assert stream.response.status == 400
