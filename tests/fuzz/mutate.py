"""Damage by repeatable chance: bytes flipped, cut, doubled, moved and spliced; parts of JSON values replaced."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1)
_ODD_TEXTS = ("", "\0", "\ud800", "é漢😀", "a" * 300, "inf", "$blob", "9" * 400, "main", "../x", "\n")
_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1 << 63, -(1 << 63), 1 << 64, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *([], {}, [[]], {"": None}, {"$blob": "AA=="}, {"$blob": 5}, {"$float": "nan"}, {"$float": []}, {"a": 1, "b": 2}),
)


def damaged(chance: Random, data: bytes, others: list[bytes]) -> bytes:
    """Return `data` after a few accidents; parts of `others` are spliced in."""
    body = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(8):
            case 0 if body:
                body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
            case 1:
                del body[at:]
            case 2:
                del body[at : at + chance.randrange(1, 20)]
            case 3:
                body[at:at] = body[at : at + chance.randrange(1, 200)]
            case 4:
                width = chance.choice((1, 2, 4, 8))
                number = chance.choice(_NUMBERS) & ((1 << 8 * width) - 1)
                body[at : at + width] = number.to_bytes(width, chance.choice(("big", "little")))
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                body[at:] = other[start:]
            case 6:
                body[at:at] = chance.randbytes(chance.randrange(1, 20))
            case _:
                end = chance.randrange(len(body) + 1)
                body[at:end] = bytes(max(0, end - at))
    return bytes(body)


def damaged_text(chance: Random, text: str, others: list[str]) -> str:
    """The same for text, by pieces of `others`."""
    for _ in range(chance.choice((1, 2, 3, 6))):
        at, end = chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)
        other = chance.choice(others)
        start = chance.randrange(len(other) + 1)
        piece = other[start : start + chance.randrange(1, 12)]
        text = text[:at] + piece + text[max(at, end if chance.random() < 0.3 else at) :]
    return text


def damaged_json(chance: Random, value: Any) -> Any:
    """Return a copy with a part, at any depth, replaced."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 2, 3))):
        value = _replaced(chance, value)
    return value


def _replaced(chance: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        match chance.randrange(6):
            case 0:
                del value[name]
            case 1:
                value[chance.choice(_ODD_TEXTS)] = value[name]
            case _:
                value[name] = _replaced(chance, value[name])
        return value
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        value[at] = _replaced(chance, value[at])
        return value
    return copy.deepcopy(chance.choice((*_ODD_VALUES, *_ODD_TEXTS)))
