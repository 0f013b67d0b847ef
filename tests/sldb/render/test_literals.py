"""Literals are exact in the SQLite of Python, which may be old, and in the server's."""

from __future__ import annotations

import math
import sqlite3
import struct
from contextlib import closing

import apsw
from hypothesis import given
from hypothesis import strategies as st

from sldb.render import literals
from tests.fakes.databases.random_database import VALUES


@given(value=VALUES)
def test_a_literal_is_read_back_as_the_value(value: object) -> None:
    for connect in (sqlite3.connect, apsw.Connection):
        with closing(connect(":memory:")) as connection:
            [(read,)] = connection.execute(f"SELECT {literals.literal(value)}")  # type: ignore[arg-type]
        assert (type(read), read) == (type(value), value)


@given(bits=st.integers(0, 2**64 - 1))
def test_every_double_is_exact_in_every_sqlite(bits: int) -> None:
    [value] = struct.unpack("<d", struct.pack("<Q", bits))
    for connect in (sqlite3.connect, apsw.Connection):
        with closing(connect(":memory:")) as connection:
            [(read,)] = connection.execute(f"SELECT {literals.literal(value)}")
        assert read is None if math.isnan(value) else read == value
