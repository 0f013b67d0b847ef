"""Replies of functions: any JSON is a response, or malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("moto")

from sldb.emulator.gateway.rest_api.failures import Failed
from sldb.emulator.gateway.rest_api.payload import response

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
HEADERS = st.dictionaries(st.text(max_size=10), VALUES, max_size=3)
REPLIES = VALUES | st.fixed_dictionaries(
    {},
    optional={
        "statusCode": st.integers(100, 599) | VALUES,
        "headers": HEADERS | VALUES,
        "multiValueHeaders": HEADERS | VALUES,
        "body": st.text() | VALUES,
        "isBase64Encoded": VALUES,
    },
)


@given(REPLIES)
def test_any_reply_is_a_response_or_malformed(reply: Any) -> None:
    reply = json.loads(json.dumps(reply))
    try:
        found = response(reply)
    except Failed:
        return
    assert found.status == int(reply["statusCode"])
    assert found.body.decode() == (reply.get("body") or "")
    for name, value in found.headers:
        assert name
        assert not set("\r\n") & set(name + value)
        assert (name + value).encode("latin-1")
