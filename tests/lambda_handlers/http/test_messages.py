"""HTTP requests and responses without a network."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.http.messages import encode_json, json_response


@given(st.text())
def test_text_survives_a_json_response(text: str) -> None:
    response = json_response(200, {"text": text}, {"x-sldb-txid": "4"})
    assert json.loads(response.body) == {"text": text}
    assert response.headers["x-sldb-txid"] == "4"


def test_no_cache_keeps_a_response() -> None:
    response = json_response(404, {})
    assert (response.status, response.body) == (404, b"{}")
    assert response.headers == {"content-type": "application/json", "cache-control": "no-store"}


def test_an_error_may_show_what_utf_8_does_not_have() -> None:
    assert json_response(404, {"a": "é\ud800"}).body == '{"a":"é?"}'.encode()
    with pytest.raises(UnicodeEncodeError):  # rows of a reply are not changed
        encode_json({"a": "é\ud800"})
