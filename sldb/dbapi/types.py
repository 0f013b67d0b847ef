"""The type objects and constructors of PEP 249.

A column of SQLite has a declared type, which is any text, and its values have a type of their own. So a type object is
equal to declared types much as SQLite reads them ("Datatypes In SQLite", 3.1, determination of column affinity): the
description of a column declared VARCHAR(20) is equal to STRING. An expression has no declared type, and equals none.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = memoryview


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802 - PEP 249's name, as the next two
    """Return the local date of a time in unix seconds."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    """Return the local time of day of a time in unix seconds."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    """Return the local date and time of a time in unix seconds."""
    return Timestamp(*time.localtime(ticks)[:6])


class TypeObject:
    """Equal to the declared types of a kind."""

    def __init__(self, name: str, has: Callable[[str], bool]) -> None:
        self._name = name
        self._has = has

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeObject):
            return self is other
        return isinstance(other, str) and self._has(other.upper())

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return self._name


def _has_any(*parts: str) -> Callable[[str], bool]:
    return lambda declared: any(part in declared for part in parts)


STRING = TypeObject("STRING", _has_any("CHAR", "CLOB", "TEXT", "JSON"))
BINARY = TypeObject("BINARY", _has_any("BLOB", "BINARY"))
NUMBER = TypeObject("NUMBER", _has_any("INT", "REAL", "FLOA", "DOUB", "NUM", "DEC", "BOOL"))
DATETIME = TypeObject("DATETIME", _has_any("DATE", "TIME"))
ROWID = TypeObject("ROWID", lambda declared: declared == "INTEGER")
