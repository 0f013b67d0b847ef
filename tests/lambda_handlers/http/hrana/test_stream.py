"""The baton: all of a stream, and nothing that a wrong one can do."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.http.hrana.stream import MAX_STORED_CHARACTERS, MAX_STORED_TEXTS, Stream, open_stream

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
SETTINGS = {"pragma foreign_keys": "PRAGMA foreign_keys = 0", "attach o": "ATTACH 'other' AS o"}


def packed(fields: object) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(fields).encode())).decode().rstrip("=")


@given(st.one_of(st.none(), TEXT), st.dictionaries(st.integers(-(1 << 31), (1 << 31) - 1), TEXT, max_size=5))
def test_a_stream_survives_the_way(token, stored):
    savepoints = None if token is None else ["a", "b"]
    stream = Stream("main", token, savepoints, dict(SETTINGS), stored)
    assert open_stream(stream.encode(), "main") == stream


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text):
    with pytest.raises(ProtocolFailure) as caught:
        open_stream(text, "main")
    assert caught.value.status in (400, 404)


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {"v": 1},
        {"v": 2, "d": "main"},
        {"v": 1, "d": 5},
        {"v": 1, "d": "main", "t": 5},
        {"v": 1, "d": "main", "t": "x", "p": "ab", "s": []},
        {"v": 1, "d": "main", "t": "x", "p": [1]},
        {"v": 1, "d": "main", "s": {"x": "SELECT 1"}},
        {"v": 1, "d": "main", "s": {"1": None}},
        {"v": 1, "d": "main", "c": {"a": "DELETE FROM t"}},
        {"v": 1, "d": "main", "c": {"a": "PRAGMA foreign_keys = 0; DELETE FROM t"}},
        {"v": 1, "d": "main", "c": {str(i): "PRAGMA foreign_keys = 0" for i in range(33)}},
        {"v": 1, "d": "main", "t": "\ud800"},
    ],
)
def test_a_baton_with_other_content_is_refused(fields):
    with pytest.raises(ProtocolFailure) as caught:
        open_stream(packed(fields), "main")
    assert caught.value.status == 400


def test_a_baton_that_expands_beyond_any_stream_is_refused():
    with pytest.raises(ProtocolFailure):
        open_stream(packed({"v": 1, "d": "main", "s": {"1": "x" * (5 << 20)}}), "main")


def test_a_baton_of_another_database_is_not_found():
    with pytest.raises(ProtocolFailure) as caught:
        open_stream(Stream("other", stored={1: "SELECT 1"}).encode(), "main")
    assert caught.value.status == 404


def test_room_for_stored_texts():
    full = Stream("main", stored=dict.fromkeys(range(MAX_STORED_TEXTS), ""))
    assert full.has_room(0, "SELECT 1")
    assert not full.has_room(-1, "SELECT 1")
    assert not Stream("main").has_room(0, "x" * (MAX_STORED_CHARACTERS + 1))
