"""UUIDs: `uuid()` and `uuid4()` of chance, `uuid7()` of the time and chance, `uuid_str` and `uuid_blob` to convert.

Chance is SQLite's generator and the time that of the statement (`sql/pin.py`): a statement that runs again in its
transaction makes the same UUIDs. Those of version 7 ascend within a statement (RFC 9562, 6.2, method 2); all of a
statement have its time, as `now` has.
"""

from __future__ import annotations

import time
import uuid

import apsw

_TAIL_BITS = 74  # of a UUID of version 7, after its time, besides version and variant
_STEP_BITS = 32


def uuid4() -> str:
    return _made(int.from_bytes(apsw.randomness(16), "big"), 4)


class Uuid7:
    """The function, for one statement."""

    def __init__(self, time_ms: int | None) -> None:
        """`time_ms`: the time of the statement; None: that of the machine at its first use."""
        self._time_ms = time_ms
        self._tail: int | None = None

    def __call__(self) -> str:
        if self._time_ms is None:
            self._time_ms = time.time_ns() // 1_000_000
        if self._tail is None:
            # The highest bit is zero, so that additions do not run over.
            self._tail = int.from_bytes(apsw.randomness(10), "big") >> (80 - _TAIL_BITS + 1)
        else:
            self._tail += 1 + int.from_bytes(apsw.randomness(_STEP_BITS // 8), "big")
        high, low = self._tail >> 62, self._tail & ((1 << 62) - 1)
        return _made(self._time_ms << 80 | high << 64 | low, 7)


def uuid_str(value: apsw.SQLiteValue) -> str | None:
    """Return a UUID in its canonical form; NULL for anything else."""
    found = _parsed(value)
    return None if found is None else str(found)


def uuid_blob(value: apsw.SQLiteValue) -> bytes | None:
    """Return the 16 bytes of a UUID; NULL for anything else."""
    found = _parsed(value)
    return None if found is None else found.bytes


def _made(number: int, version: int) -> str:
    """Return the text of 16 bytes, with the version and the variant of RFC 9562 in their bits."""
    number &= ~(0xF000 << 64 | 0xC000 << 48)
    return str(uuid.UUID(int=number | version << 76 | 2 << 62))


def _parsed(value: apsw.SQLiteValue) -> uuid.UUID | None:
    try:
        if isinstance(value, str):
            return uuid.UUID(value)
        if isinstance(value, bytes):
            return uuid.UUID(bytes=value)
    except ValueError:
        pass
    return None
