"""Chance by name: the same seed and the same name give the same numbers, independent of earlier calls.

A history that draws all its numbers from one stream becomes another history as soon as one operation is left out. Here
every decision has a name (operation, delivery, number of the call), so that a history can be shrunk: the rest behaves
as before, as far as it depends on itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import TypeVar

T = TypeVar("T")

_SCALE = 2.0**-64
_WORDS = [Struct(f">{count}Q") for count in range(9)]


class Chance:
    def __init__(self, seed: str) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self._keyed = blake2b(key=self._key)  # copied for each name: that costs less than a new one

    def numbers(self, name: str, count: int = 1) -> list[float]:
        """Return `count` (at most 8) numbers from 0 to 1."""
        keyed = self._keyed.copy()
        keyed.update(name.encode())
        return [word * _SCALE for word in _WORDS[count].unpack_from(keyed.digest())]

    def number(self, name: str) -> float:
        return self.numbers(name)[0]

    def choice(self, name: str, items: Sequence[T]) -> T:
        return items[min(int(self.number(name) * len(items)), len(items) - 1)]

    def bytes(self, name: str, count: int) -> bytes:
        return blake2b(name.encode(), key=self._key, digest_size=count).digest()
