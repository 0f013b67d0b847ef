"""The type objects and constructors of PEP 249."""

from __future__ import annotations

import datetime

import pytest

import sldb


def test_the_constructors() -> None:
    assert sldb.Date(2026, 11, 27) == datetime.date(2026, 11, 27)
    assert sldb.Time(1, 2, 3) == datetime.time(1, 2, 3)
    assert sldb.Timestamp(2026, 11, 27, 1, 2, 3) == datetime.datetime.fromisoformat("2026-11-27 01:02:03")
    assert bytes(sldb.Binary(b"ab")) == b"ab"
    now = datetime.datetime.fromisoformat("2026-11-27 01:02:03").astimezone()
    ticks = now.timestamp()
    assert sldb.DateFromTicks(ticks) == now.date()
    assert sldb.TimeFromTicks(ticks) == now.time()
    assert sldb.TimestampFromTicks(ticks) == now.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("varchar(20)", sldb.STRING),
        ("TEXT", sldb.STRING),
        ("BLOB", sldb.BINARY),
        ("INTEGER", sldb.NUMBER),
        ("double precision", sldb.NUMBER),
        ("timestamp", sldb.DATETIME),
        ("INTEGER", sldb.ROWID),
    ],
)
def test_type_objects(declared: str, kind: object) -> None:
    assert declared == kind
    assert kind in {kind: 1}
    assert kind != "nonsense"
