"""The names and values of SQL text: any SQLite reads them back exactly.

Older versions (3.40, say) do not round every decimal number to the nearest double: a number at risk is written with 18
digits, and below 1e-90 as exact divisions by powers of two. The `sqlite3` shell drops the \\r of
a \\r\\n, and a NUL ends a literal: both are put in by `replace`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from lambda_handlers.wire import INTEGER_MIN, Row, Value
from sldb.render.cells import Cells

_EXACT_DIGITS, _EXACT_EXPONENT = (
    15,
    22,
)  # digits and power of ten that are exact in a double: no way to round them wrong
_SMALL = 1e-90
_DIVISOR_BITS = 62  # 2^62 and what it multiplies are exact in a literal of 19 digits
_ENDS_LITERAL = {"\0": "char(0)", "\r": "char(13)"}
_LITERAL_ENDED = re.compile("[\0\r]")


def name(text: str) -> str:
    """Return a name of a table, column, … in quotes."""
    return '"' + text.replace('"', '""') + '"'


def names(texts: tuple[str, ...]) -> str:
    return ",".join(map(name, texts))


def literal(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, float):
        return _real(value)
    # The digits alone would be a REAL without the sign.
    return str(value) if value > INTEGER_MIN else "-9223372036854775807-1"


def row(values: Iterable[Value]) -> str:
    return ",".join([literal(value) for value in values])


def rows(rows: Iterable[Row]) -> Iterator[str]:
    """Yield what `row` returns for each of the rows."""
    return map(",".join, CELLS.rows(rows))


def _text(value: str) -> str:
    quoted = value.replace("'", "''")
    expression = None
    for character in sorted(set(_LITERAL_ENDED.findall(value))):
        token = _unused(quoted)
        quoted = quoted.replace(character, token)
        expression = f"replace({expression or '%s'},'{token}',{_ENDS_LITERAL[character]})"
    return f"'{quoted}'" if expression is None else expression.replace("%s", f"'{quoted}'", 1)


def _unused(text: str) -> str:
    """Return a word without an occurrence in `text`."""
    number = 0
    while (word := f"\\{number}\\") in text:
        number += 1
    return word


def _texts(column: tuple[str, ...]) -> Iterable[str]:
    joined = "\0".join(column)
    if "\r" in joined or joined.count("\0") != len(column) - 1:
        return map(_text, column)
    return ("'" + joined.replace("'", "''").replace("\0", "'\0'") + "'").split("\0")


def _integers(column: tuple[int, ...]) -> Iterable[str]:
    return map(literal if min(column) <= INTEGER_MIN else str, column)


def _real(value: float) -> str:
    if math.isnan(value):
        return "NULL"  # as SQLite itself stores it
    if math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    digits, _, exponent = f"{value!r}".partition("e")
    if sum(map(str.isdigit, digits)) <= _EXACT_DIGITS and abs(int(exponent or 0)) <= _EXACT_EXPONENT:
        return repr(value)
    if abs(value) >= _SMALL:
        return f"{value:.17e}"
    return _scaled(value)


def _scaled(value: float) -> str:
    divisions = 0
    while abs(value) < 1:
        value = math.ldexp(value, _DIVISOR_BITS)
        divisions += 1
    return f"{value:.17e}" + f"/{1 << _DIVISOR_BITS}.0" * divisions


def _reals(column: tuple[float, ...]) -> Iterable[str]:
    texts = list(map(repr, column))
    joined = "".join(texts)
    if "e" in joined or "n" in joined:  # exponents, inf and nan
        return map(_real, column)
    longest = _EXACT_DIGITS + len(".")
    return [
        text if len(text) <= longest + (value < 0) else f"{value:.17e}"
        for text, value in zip(texts, column, strict=True)
    ]


CELLS = Cells(literal, {int: _integers, float: _reals, str: _texts})
