"""The files with long tests, which are known by their text: a run of the long tests alone imports no others.

Each worker imports what it collects, and the modules of all tests take it 18 s, of which the long ones need few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

OF_ANOTHER_STEP = ("tests/interop/",)  # which runs all of its tests, also long ones that it imports
_MARKS = re.compile(r"\bmark\.(long|sampled)\b|\bLOCK_KINDS\b")  # of those kinds most are long


@cache
def may_have_long_tests(file: Path) -> bool:
    return _MARKS.search(file.read_text("utf-8")) is not None


def check_long_tests_are_found(items: Iterable[pytest.Item]) -> None:
    """Raise UsageError if a test is long and its file does not say so: `make paths` would never run it."""
    for item in items:
        is_here = not item.nodeid.startswith(OF_ANOTHER_STEP)
        if is_here and item.get_closest_marker("long") and not may_have_long_tests(item.path):
            raise pytest.UsageError(f"{item.nodeid} is long, which tests/running/long_files.py does not see")
