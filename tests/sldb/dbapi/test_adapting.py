"""Values: every kind through the driver and back, adapters and converters."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sldb
from lambda_handlers.wire import Column
from sldb.dbapi import adapting
from tests.sldb.dbapi.conftest import Connect


@pytest.fixture(autouse=True)
def _unchanged_registry() -> Iterator[None]:
    adapters, converters = dict(adapting.adapters), dict(adapting.converters)
    yield
    for now, before in ((adapting.adapters, adapters), (adapting.converters, converters)):
        now.clear()  # type: ignore[attr-defined]
        now.update(before)  # type: ignore[attr-defined]


MOMENT = datetime.datetime.fromisoformat("2026-11-27 01:02:03")
MIDNIGHT = datetime.datetime.fromisoformat("2026-11-27 00:00:00")


class Level(enum.IntEnum):
    HIGH = 3


KINDS: list[tuple[Any, Any]] = [  # values, each as it is read
    (None, None),
    (True, 1),
    (0, 0),
    (-(2**63), -(2**63)),
    (2**63 - 1, 2**63 - 1),
    (1.5, 1.5),
    (-0.0, -0.0),
    (5e-324, 5e-324),
    (math.inf, math.inf),
    (-math.inf, -math.inf),
    (math.nan, None),  # SQLite has no NaN
    ("", ""),
    ("ä\N{GRINNING FACE}\0 b", "ä\N{GRINNING FACE}\0 b"),
    (b"", b""),
    (bytes(range(256)), bytes(range(256))),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"ab"), b"ab"),
    (datetime.date(2026, 11, 27), "2026-11-27"),
    (datetime.time(1, 2, 3, 4), "01:02:03.000004"),
    (MOMENT, "2026-11-27 01:02:03"),
    (datetime.datetime(2026, 11, 27, 1, 2, 3, tzinfo=datetime.timezone.utc), "2026-11-27 01:02:03+00:00"),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Level.HIGH, 3),
    (json.dumps({"a": [1]}), '{"a": [1]}'),
]


@pytest.mark.parametrize(("value", "stored"), KINDS)
def test_each_kind_of_value_is_stored_and_read(connection: sldb.Connection, value: Any, stored: Any) -> None:
    with connection:
        connection.execute("CREATE TABLE v (value)")
        connection.execute("INSERT INTO v VALUES (?)", (value,))
        inside = connection.execute("SELECT value FROM v").fetchone()
    outside = connection.execute("SELECT value FROM v").fetchone()
    assert inside == outside == (stored,)
    assert type(outside[0]) is type(stored)
    if stored == 0 and isinstance(stored, float):
        assert math.copysign(1, outside[0]) == math.copysign(1, stored)


def test_text_that_is_not_utf8_is_read_as_bytes(connection: sldb.Connection) -> None:
    with pytest.raises(sldb.OperationalError, match="not UTF-8"):
        connection.execute("SELECT CAST(x'ff' AS TEXT)")
    assert connection.execute("SELECT CAST(CAST(x'ff' AS TEXT) AS BLOB)").fetchone() == (b"\xff",)
    with pytest.raises(UnicodeEncodeError):
        connection.execute("SELECT ?", ("\ud800",))


def test_declared_types_are_converted(connect: Connect) -> None:
    connection = connect(detect_types=sldb.PARSE_DECLTYPES)
    connection.execute("CREATE TABLE v (d date, t timestamp, n NUMERIC(10, 2), o)")
    now = MOMENT.replace(microsecond=400)
    connection.execute("INSERT INTO v VALUES (?, ?, 1.5, ?)", (now.date(), now, now))
    connection.execute("INSERT INTO v VALUES (NULL, '2026-11-27', NULL, NULL)")
    sldb.register_converter("numeric", lambda text: decimal.Decimal(text.decode()))
    rows = connection.execute("SELECT d, t, n, o FROM v").fetchall()
    assert rows[0] == (now.date(), now, decimal.Decimal("1.5"), "2026-11-27 01:02:03.000400")
    assert rows[1] == (None, MIDNIGHT, None, None)
    assert connection.execute("SELECT t AS d, max(t) FROM v").fetchone()[1] == "2026-11-27 01:02:03.000400"


def test_types_in_names_are_converted(connect: Connect) -> None:
    connection = connect(detect_types=sldb.PARSE_COLNAMES, create=True)
    sldb.register_converter("json", json.loads)
    cursor = connection.execute("""SELECT '{"a": 1}' AS "found [json]", '[1]' AS "other [unknown]" """)
    assert cursor.fetchone() == ({"a": 1}, "[1]")
    assert cursor.description is not None
    assert [column[0] for column in cursor.description] == ["found", "other"]


def test_registered_adapters(connection: sldb.Connection) -> None:
    class Point:
        def __init__(self, x: int, y: int) -> None:
            self.x, self.y = x, y

    class Conforming(Point):
        def __conform__(self, protocol: object) -> str | None:
            return f"{self.x};{self.y}" if protocol is sldb.PrepareProtocol else None

    with pytest.raises(sldb.ProgrammingError, match="type 'Point' is not supported"):
        connection.execute("SELECT ?", (Point(1, 2),))
    assert connection.execute("SELECT ?", (Conforming(1, 2),)).fetchone() == ("1;2",)
    sldb.register_adapter(Point, lambda point: f"({point.x}, {point.y})")
    assert connection.execute("SELECT ?", (Point(1, 2),)).fetchone() == ("(1, 2)",)
    sldb.register_adapter(int, float)
    assert type(connection.execute("SELECT ?", (4,)).fetchone()[0]) is float


def test_adapt_says_what_it_cannot() -> None:
    with pytest.raises(sldb.ProgrammingError):
        sldb.adapt(1.0)
    assert sldb.adapt(1.0, None, "other") == "other"


@given(
    st.datetimes(timezones=st.none() | st.timezones().map(lambda _: datetime.timezone.utc)),
    st.sampled_from([" ", "T"]),
)
def test_every_time_comes_back(moment: datetime.datetime, separator: str) -> None:
    converter = adapting.converter_of(Column("t", "TIMESTAMP"), sldb.PARSE_DECLTYPES)
    assert converter is not None
    assert converter(moment.isoformat(separator).encode()) == moment


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (b"2026-11-27 01:02:03.5", MOMENT.replace(microsecond=500_000)),
        (b"2026-11-27 01:02:03.1234567", MOMENT.replace(microsecond=123_456)),
        (b"2026-11-27T01:02Z", datetime.datetime(2026, 11, 27, 1, 2, tzinfo=datetime.timezone.utc)),
        (b"2026-11-27", MIDNIGHT),
    ],
)
def test_times_as_others_write_them(text: bytes, read: datetime.datetime) -> None:
    assert adapting.converters["TIMESTAMP"](text) == read


def test_a_text_that_is_no_time_is_an_error() -> None:
    with pytest.raises(sldb.InterfaceError, match="'tomorrow' is no time"):
        adapting.converters["TIMESTAMP"](b"tomorrow")


@given(st.floats(allow_nan=False))
def test_a_real_reaches_a_converter_with_all_its_digits(value: float) -> None:
    assert adapting.converted(value, float) == value
