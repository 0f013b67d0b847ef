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
_INTEGER, _WHOLE_REAL, _REAL, _TEXT, _BLOB, _EMPTY = 1, 2, 4, 8, 16, 32
# Kinds of _TEXT in cells: a number with a point or exponent that would be printed otherwise, and any other text (007
# and +49 are codes, and no numbers to calculate with).
_ODD_REAL, _WORD = 64, 128
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_ANY_REAL = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]{2,3})?")
_SHORT_DIGITS = 18  # a whole number of no more characters has 64 bits
_MAX_DIGITS = 20  # one of more has not
_SHORT_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,16}")
_SHORT_WHOLES = re.compile(rf"(?:(?:{_SHORT_WHOLE.pattern})(?:\n|\Z))*")


@dataclass(slots=True)
class ColumnType:
    """The kinds of values in a column."""

    is_text: bool  # its values are text, whatever their meaning
    seen: int = 0
    odd: str | None = None  # the first cell with a number that would be printed otherwise

    def add(self, values: Iterable[Value]) -> None:
        if not self.is_text:
            for kind in {type(value) for value in values}:
                self.seen |= _KINDS.get(kind, 0)
            if float in map(type, values):
                self._add_reals(value for value in values if type(value) is float)
        elif not self.is_final:
            cells = [str(value) for value in values if value is not None]
            if cells and _are_short_wholes(cells):
                self.seen |= _INTEGER
                return
            for cell in cells:
                self._add_cell(cell)

    def _add_cell(self, text: str) -> None:
        kind = _kind_of_text(text)
        self.seen |= kind
        if self.odd is None and kind & _ODD_REAL:
            self.odd = text

    def _add_reals(self, values: Iterable[float]) -> None:
        if self.seen & (_REAL | _WHOLE_REAL) != _REAL | _WHOLE_REAL:
            for value in values:
                self.seen |= _kind_of_real(value)

    def merge(self, other: ColumnType) -> None:
        """Add the kinds of values in a column of the same name."""
        self.seen |= other.seen
        self.odd = self.odd if self.odd is not None else other.odd

    @property
    def is_final(self) -> bool:
        """True if no further value changes the type."""
        return self.is_text and bool(self.seen & _WORD)

    @property
    def declared(self) -> str:
        kinds = self.seen & (_INTEGER | _WHOLE_REAL | _REAL | _TEXT | _BLOB)
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
    def has_text(self) -> bool:
        return bool(self.seen & _TEXT)

    @property
    def odd_number(self) -> OddNumber | None:
        """The reason why a column is text although all of its cells are numbers; None for any other column."""
        if not self.is_text or self.declared != "TEXT" or self.seen & _WORD or not self.seen & ~_EMPTY:
            return None
        if self.odd is None:  # whole numbers beside 1.0
            return OddNumber("1", "1.0")
        return OddNumber(self.odd, repr(float(self.odd)))


@dataclass(frozen=True, slots=True)
class OddNumber:
    """A number in a column of texts."""

    text: str  # in the cell
    printed: str  # in a column of numbers


_KINDS = {int: _INTEGER, str: _TEXT, bytes: _BLOB}


def _are_short_wholes(cells: list[str]) -> bool:
    """Return True if all cells are of INTEGER for certain: one search in all of them is faster than one in each."""
    if not _SHORT_WHOLE.fullmatch(cells[0]):
        return False
    text = "\n".join(cells)
    return text.count("\n") == len(cells) - 1 and _SHORT_WHOLES.fullmatch(text) is not None


def _kind_of_text(text: str) -> int:
    if _WHOLE.fullmatch(text):
        if len(text) <= _SHORT_DIGITS:
            return _INTEGER
        return _TEXT | _WORD if is_huge(text) else _INTEGER
    if not text:
        return _EMPTY
    if _NUMBER.fullmatch(text):
        number = float(text)
        if _is_printed(number, text):
            return _kind_of_real(number)
    return _TEXT | _kind_of_odd(text)


def is_huge(text: str) -> bool:
    """Return True for a whole number of more than 64 bits."""
    if len(text) <= _SHORT_DIGITS or not _WHOLE.fullmatch(text):
        return False
    return len(text) > _MAX_DIGITS or not INTEGER_MIN <= int(text) <= INTEGER_MAX


def _kind_of_odd(text: str) -> int:
    is_real = _ANY_REAL.fullmatch(text) and not text.lstrip("+-").isdigit() and math.isfinite(float(text))
    return _ODD_REAL if is_real else _WORD


def _is_printed(number: float, text: str) -> bool:
    """Return True if the text is what SQLite (1.0e+300) or sldb (1e+300) prints for the number."""
    printed = repr(number)
    return (printed == text or printed == text.replace(".0e", "e")) and text != "-0.0" and math.isfinite(number)


def _kind_of_real(number: float) -> int:
    return _WHOLE_REAL if number.is_integer() and INTEGER_MIN <= number <= INTEGER_MAX else _REAL
