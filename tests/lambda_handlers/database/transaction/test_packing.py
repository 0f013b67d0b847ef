"""Packed values are exact, and other bytes are refused."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.database.transaction.packing import Packer, Unpacker
from lambda_handlers.wire import Many
from tests.fakes.databases.transactions import bound, texts


def exactly(value: object) -> object:
    """A value that compares as its bytes and its type do."""
    if isinstance(value, Many):
        return tuple(exactly(one) for one in value.rows)
    if isinstance(value, (tuple, list)):
        return tuple(exactly(one) for one in value)
    if isinstance(value, dict):
        return tuple((name, exactly(one)) for name, one in value.items())
    return (type(value).__name__, struct.pack(">d", value) if isinstance(value, float) else value)


@given(bound)
def test_params_come_back_exactly(given_params):
    packer = Packer()
    packer.params(given_params)
    reader = Unpacker(packer.packed())
    assert exactly(reader.params()) == exactly(given_params)
    reader.end()


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 1, 63, -64, 64, (1 << 63) - 1, -(1 << 63), 1 << 53, -(1 << 53) - 1),
        *(0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, 5e-324, 0.1),
        *("", "\0", "a\0b", "\ud800", "\ud83d\ude00", "😀", "é", "\x00\x7f\x80"),
        *(b"", b"\0", bytes(range(256))),
        None,
    ],
)
def test_values_at_the_edges_come_back_exactly(value):
    packer = Packer()
    packer.value(value)
    assert exactly(Unpacker(packer.packed()).value()) == exactly(value)


@given(st.lists(texts | st.binary(max_size=9) | st.integers(0, (1 << 64) - 1) | st.floats()))
def test_one_after_the_other(wanted):
    packer = Packer()
    add = {str: packer.text, bytes: packer.content, int: packer.number, float: packer.real}
    for one in wanted:
        add[type(one)](one)
    reader = Unpacker(packer.packed())
    read = {str: reader.text, bytes: reader.content, int: reader.number, float: reader.real}
    assert exactly([read[type(one)]() for one in wanted]) == exactly(wanted)
    reader.end()


@given(st.binary(max_size=40))
def test_any_bytes_are_refused_or_are_what_packing_writes(packed):
    reader = Unpacker(packed)
    try:
        found = reader.params()
        reader.end()
    except ValueError:
        return
    packer = Packer()
    packer.params(found)
    assert len(packer.packed()) <= len(packed)  # an object may name a value twice
    if not isinstance(found, dict):
        assert packer.packed() == packed


@pytest.mark.parametrize("packed", [b"", b"\x80", b"\x80\x00", b"\xff" * 10, b"\xff" * 9 + b"\x02"])
def test_a_number_has_one_form_and_64_bits(packed):
    with pytest.raises(ValueError, match=r"bytes"):
        Unpacker(packed).number()


def test_more_than_there_is_to_read_is_seen():
    reader = Unpacker(b"\0\0")
    reader.params()
    with pytest.raises(ValueError, match="1 bytes behind the end"):
        reader.end()
