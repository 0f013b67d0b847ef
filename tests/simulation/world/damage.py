"""Damage: the answers of the store that may be damaged in transit, and their damaged form: one flipped bit, or a
missing end. docs/reliability.md gives the reasons for the others. Pure.

`size` is the fault's, in [0, 1): its position. In JSON it hits a digit half of the time, because the result still
decodes; in a LIST it hits one entry, in its key, size or date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from enum import Enum

from lambda_handlers.store.protocol import ObjectInfo
from tests.simulation.world.faults import Fault

_DIGITS = frozenset(b"0123456789")
_WHOLE_DATE = "%Y-%m-%dT%H:%M:%S"
_BITS_OF_A_DIGIT = 4  # of which any makes another character of the digits' sixteen


class Answer(Enum):
    """The object of a request."""

    FILE = "an LTX file, or its pieces one after the other"
    RANGE = "a range of an LTX file"
    SIZE = "the size of an LTX file"
    INFO = "what a LIST would show of one object"
    DOUBT = "an LTX file, or of it, after a write without a clear answer"
    ADVICE = "page map, atlas, head, lease"
    LOCK = "a lock that is an object"
    LIST = "a LIST for a request"
    LIST_FOR_MAINTENANCE = "a LIST that compaction and retention go by"


_MAY_TAKE: dict[Answer, frozenset[Fault]] = {
    Answer.FILE: frozenset({Fault.FLIP, Fault.SHORT}),
    Answer.RANGE: frozenset({Fault.FLIP, Fault.SHORT}),
    Answer.SIZE: frozenset({Fault.FLIP, Fault.SHORT}),
    Answer.INFO: frozenset({Fault.FLIP}),
    Answer.DOUBT: frozenset({Fault.FLIP, Fault.SHORT}),
    Answer.ADVICE: frozenset({Fault.FLIP, Fault.SHORT, Fault.STALE}),
    Answer.LOCK: frozenset({Fault.FLIP, Fault.SHORT, Fault.STALE}),
    Answer.LIST: frozenset({Fault.FLIP, Fault.SHORT}),
    Answer.LIST_FOR_MAINTENANCE: frozenset({Fault.FLIP, Fault.SHORT, Fault.STALE}),
}


def may_take(answer: Answer) -> frozenset[Fault]:
    return _MAY_TAKE[answer]


def flipped(body: bytes, size: float) -> bytes:
    """Return the body with one bit flipped; an empty one stays empty."""
    if not body:
        return body
    half, rest = _split(size, 2)
    digits = [at for at, byte in enumerate(body) if byte in _DIGITS] if body[:1] == b"{" and half else []
    if digits:
        which, rest = _split(rest, len(digits))
        position, bit = digits[which], _split(rest, _BITS_OF_A_DIGIT)[0]
    else:
        position, rest = _split(rest, len(body))
        bit = _split(rest, 8)[0]
    result = bytearray(body)
    result[position] ^= 1 << bit
    return bytes(result)


def shortened(body: bytes, size: float) -> bytes:
    """Return the beginning of a body: nearly all of it as often as any other part."""
    half, rest = _split(size, 2)
    lost = min(len(body), 1 + int(rest * 24)) if half else round(rest * len(body))
    return body[: len(body) - lost]


def with_flipped_entry(page: Sequence[ObjectInfo], size: float) -> list[ObjectInfo]:
    """Return a page of a LIST with another key, size or date in one entry."""
    if not page:
        return list(page)
    which, rest = _split(size, len(page))
    what, rest = _split(rest, 3)
    found = page[which]
    if what == 0:
        found = replace(found, key=_with_other_character(found.key, rest))
    elif what == 1:
        found = replace(found, size=with_flipped_number(found.size, rest))
    else:
        found = replace(found, modified_at=_with_other_date(found.modified_at, rest))
    return [*page[:which], found, *page[which + 1 :]]


def with_flipped_number(number: int, size: float) -> int:
    return int(_with_other_digit(str(number), size))


def _with_other_character(key: str, size: float) -> str:
    """Change a character behind the name of the database, the prefix of the LIST."""
    start = key.find("/") + 1
    at, rest = _split(size, len(key) - start)
    at += start
    return key[:at] + chr(ord(key[at]) ^ 1 << _split(rest, 5)[0]) + key[at + 1 :]


def _with_other_digit(number: str, size: float) -> str:
    """Flip one bit of one digit so that it stays a digit."""
    at, rest = _split(size, len(number))
    digit = int(number[at])
    others = [digit ^ 1 << bit for bit in range(_BITS_OF_A_DIGIT) if digit ^ 1 << bit <= 9]
    return number[:at] + str(others[_split(rest, len(others))[0]]) + number[at + 1 :]


def _with_other_date(moment: float, size: float) -> float:
    """Return another date, valid as text; the same one if the hit digit allows none."""
    text = datetime.fromtimestamp(moment, timezone.utc).strftime(_WHOLE_DATE)
    digits = [at for at, character in enumerate(text) if character.isdigit()]
    which, rest = _split(size, len(digits))
    at = digits[which]
    struck = text[:at] + _with_other_digit(text[at], rest) + text[at + 1 :]
    try:
        return datetime.strptime(struck, _WHOLE_DATE).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return moment


def _split(size: float, count: int) -> tuple[int, float]:
    """Return one of `count`, and a number in [0, 1) for the next decision."""
    scaled = size * count
    which = min(int(scaled), count - 1)
    return which, scaled - which
