"""A sealed object says what was written at its key, or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.shared.sealed_json import seal, unseal

KEY = "main/head.json"
FIELDS = {"version": 2, "txid": 40, "checked_at": 1.79e9, "files": [[0, 1, 1, 500, False]], "doing": "INSERT größe"}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda name: name != "crc32"), values, min_size=1, max_size=5), st.text())
def test_what_is_sealed_comes_back(fields: dict[str, object], key: str) -> None:
    assert unseal(seal(fields, key), key) == fields


def test_it_is_json_for_everybody_else() -> None:
    assert json.loads(seal(FIELDS, KEY)) == {**FIELDS, "crc32": "11d89e20"}


def test_no_flipped_bit_is_read() -> None:
    body = seal(FIELDS, KEY)
    for bit in range(8 * len(body)):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        assert unseal(bytes(damaged), KEY) is None, bytes(damaged)


def test_no_part_of_it_is_read_and_no_more_than_it() -> None:
    body = seal(FIELDS, KEY)
    for end in range(len(body)):
        assert unseal(body[:end], KEY) is None
        assert unseal(body[end + 1 :], KEY) is None
    assert unseal(body + body, KEY) is None
    assert unseal(body + b"\n", KEY) is None


@pytest.mark.parametrize(
    "key", ["", "main/lock.json", "mai/nhead.json", "other/head.json", "main/head.jso", "nain/head.json"]
)
def test_a_body_of_another_key_is_not_read(key: str) -> None:
    assert unseal(seal(FIELDS, KEY), key) is None


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b'{"version": 1, "txid": 40}', b'{"crc32":"00000000"}', b"\xff"]
)
def test_what_was_never_sealed_is_not_read(body: bytes) -> None:
    assert unseal(body, KEY) is None
