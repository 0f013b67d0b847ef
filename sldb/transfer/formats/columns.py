"""The types of columns, chosen by all their values.

INTEGER   whole numbers of 64 bits, written as SQLite writes them: 007 and +49 are text
REAL      numbers, some of them with a point or an exponent; whole ones among them as far as a double holds them
NUMERIC   the same with whole numbers that a double does not hold
TEXT      text, or nothing but NULL; of cells of text files also any other mixture
BLOB      blobs
none      mixtures of values that have types (JSON, Parquet): each stays what it is
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Value

_INTEGER, _LARGE, _REAL, _TEXT, _BLOB, _EMPTY, _HUGE = 1, 2, 4, 8, 16, 32, 64
_EXACT_IN_DOUBLE = 1 << 53
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_SHORT_DIGITS = 15  # a whole number of no more digits is exact in a double


@dataclass(slots=True)
class ColumnType:
    """The kinds of values in a column."""

    is_text: bool  # its values are text, whatever their meaning
    seen: int = 0

    def add(self, values: Iterable[Value]) -> None:
        if not self.is_text:
            for kind in {type(value) for value in values}:
                self.seen |= _KINDS.get(kind, 0)
            if self.seen & _INTEGER and not self.seen & _LARGE:
                self._add_large(values)
        elif not self.is_final:
            for value in values:
                if value is not None:
                    self.seen |= _kind_of_text(str(value))

    def _add_large(self, values: Iterable[Value]) -> None:
        if any(type(value) is int and not -_EXACT_IN_DOUBLE <= value <= _EXACT_IN_DOUBLE for value in values):
            self.seen |= _LARGE

    @property
    def is_final(self) -> bool:
        """True if no further value changes the type."""
        return self.is_text and bool(self.seen & _TEXT)

    @property
    def declared(self) -> str:
        kinds = self.seen & ~_EMPTY & ~_HUGE
        if not kinds & (_TEXT | _BLOB) and kinds:
            if not kinds & _REAL:
                return "INTEGER"
            return "NUMERIC" if kinds & _LARGE else "REAL"
        if self.is_text or kinds in (0, _TEXT):
            return "TEXT"
        return "BLOB" if kinds == _BLOB else ""

    @property
    def has_huge(self) -> bool:
        """True if there are whole numbers, as text, too large for INTEGER."""
        return bool(self.seen & _HUGE)

    @property
    def is_number(self) -> bool:
        return self.declared in ("INTEGER", "REAL", "NUMERIC")


_KINDS = {int: _INTEGER, float: _REAL, str: _TEXT, bytes: _BLOB}


def _kind_of_text(text: str) -> int:
    if _WHOLE.fullmatch(text):
        if len(text) <= _SHORT_DIGITS:
            return _INTEGER
        number = int(text) if len(text) <= 20 else INTEGER_MAX + 1
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            return _TEXT | _HUGE
        return _INTEGER if -_EXACT_IN_DOUBLE <= number <= _EXACT_IN_DOUBLE else _INTEGER | _LARGE
    if text != "-0" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return _REAL
    return _TEXT if text else _EMPTY
