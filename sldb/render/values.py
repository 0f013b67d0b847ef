"""One SQLite value as text: for people, and for SQL.

Integers and reals print so that reading them back gives the same number. A blob prints as SQLite's literal
X'00ff', which can be pasted into a statement.
"""

from __future__ import annotations

import math
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
    """`value` as text, not escaped in any way."""
    if isinstance(value, str):
        return value
    if value is None:
        return null
    return blob(value) if isinstance(value, bytes) else number(value)


def distinct(names: Sequence[str]) -> list[str]:
    """The names with repeated ones told apart as SQLite itself does it: id, id:1, id:2."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        fresh, count = name, 0
        while fresh in seen or (count and fresh in taken):
            count += 1
            fresh = f"{name}:{count}"
        seen.add(fresh)
        result.append(fresh)
    return result
