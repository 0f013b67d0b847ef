"""The types of columns, chosen by all their values, so that none is lost: each is read back as it was written.

INTEGER   whole numbers of 64 bits, written as SQLite writes them: 007 and +49 are text
REAL      numbers with a point or an exponent, as SQLite or sldb print them: 1.10 and 12e45 are text
NUMERIC   such numbers and whole ones, unless one of them is 1.0, which NUMERIC would turn into 1
TEXT      text, or nothing but NULL; of cells of text files also any other mixture
BLOB      blobs
none      other mixtures of values that have types (JSON, Parquet): each stays what it is
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Value

# _WHOLE_REAL: a REAL of a whole value of 64 bits, such as 1.0
_INTEGER, _WHOLE_REAL, _REAL, _TEXT, _BLOB, _EMPTY, _HUGE = 1, 2, 4, 8, 16, 32, 64
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]{2,3})?")
_SHORT_DIGITS = 18  # a whole number of no more digits has 64 bits


@dataclass(slots=True)
class ColumnType:
    """The kinds of values in a column."""

    is_text: bool  # its values are text, whatever their meaning
    seen: int = 0

    def add(self, values: Iterable[Value]) -> None:
        if not self.is_text:
            for kind in {type(value) for value in values}:
                self.seen |= _KINDS.get(kind, 0)
            if float in map(type, values):
                self._add_reals(value for value in values if type(value) is float)
        elif not self.is_final:
            for value in values:
                if value is not None:
                    self.seen |= _kind_of_text(str(value))

    def _add_reals(self, values: Iterable[float]) -> None:
        if self.seen & (_REAL | _WHOLE_REAL) != _REAL | _WHOLE_REAL:
            for value in values:
                self.seen |= _kind_of_real(value)

    def merge(self, other: ColumnType) -> None:
        """Add the kinds of values in a column of the same name."""
        self.seen |= other.seen

    @property
    def is_final(self) -> bool:
        """True if no further value changes the type."""
        return self.is_text and bool(self.seen & _TEXT)

    @property
    def declared(self) -> str:
        kinds = self.seen & ~_EMPTY & ~_HUGE
        if kinds and not kinds & (_TEXT | _BLOB):
            if kinds == _INTEGER:
                return "INTEGER"
            if not kinds & _INTEGER:
                return "REAL"
            if not kinds & _WHOLE_REAL:
                return "NUMERIC"
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


_KINDS = {int: _INTEGER, str: _TEXT, bytes: _BLOB}


def _kind_of_text(text: str) -> int:
    if _WHOLE.fullmatch(text):
        if len(text) <= _SHORT_DIGITS:
            return _INTEGER
        number = int(text) if len(text) <= 20 else INTEGER_MAX + 1
        return _INTEGER if INTEGER_MIN <= number <= INTEGER_MAX else _TEXT | _HUGE
    if not text:
        return _EMPTY
    return _kind_of_real(float(text)) if _NUMBER.fullmatch(text) and _is_printed(text) else _TEXT


def _is_printed(text: str) -> bool:
    """Return True if the text is what SQLite (1.0e+300) or sldb (1e+300) prints for the number."""
    number = float(text)
    return math.isfinite(number) and repr(number) == text.replace(".0e", "e") and text != "-0.0"


def _kind_of_real(number: float) -> int:
    return _WHOLE_REAL if number.is_integer() and INTEGER_MIN <= number <= INTEGER_MAX else _REAL
