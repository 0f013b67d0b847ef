"""The text of one SQLite value, for people and for SQL.

Integers and reals print exactly: reading them back gives the same number. A blob prints as SQLite's literal X'00ff',
ready to be pasted into a statement.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence

from lambda_handlers.wire import Value


def number(value: int | float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else ("Inf" if value > 0 else "-Inf")


def blob(value: bytes) -> str:
    return f"X'{value.hex()}'"


def plain(value: Value, null: str) -> str:
    """Return `value` as text, without any escapes."""
    if isinstance(value, str):
        return value
    if value is None:
        return null
    return blob(value) if isinstance(value, bytes) else number(value)


def folded(name: str) -> str:
    """Return a name as SQLite compares it: only the letters of ASCII have no case."""
    return name.translate(_TO_LOWER)


_TO_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, repeated ones numbered as SQLite does: id, id:1, ID:2."""
    taken = set(map(folded, names))
    seen: set[str] = set()
    result = []
    for name in names:
        fresh, count = name, 0
        while folded(fresh) in seen or (count and folded(fresh) in taken):
            count += 1
            fresh = f"{name}:{count}"
        seen.add(folded(fresh))
        result.append(fresh)
    return result
