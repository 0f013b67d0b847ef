"""Patterns of printed times."""

from __future__ import annotations

import re

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"  # of a transaction, for people
_LOOKS_LIKE_A_TIME = re.compile(
    r"(?<![\d:./])(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?|\d\d:\d\d(?::\d\d(?:\.\d+)?)?)"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?(?!\d|:\d)"
)


def times_without_a_zone(text: str) -> list[str]:
    """Return the times and dates without an offset in a text."""
    return [found[0] for found in _LOOKS_LIKE_A_TIME.finditer(text) if not found["zone"]]
