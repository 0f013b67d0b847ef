"""The length of a scenario: CHAOS_SECONDS (`make chaos SECONDS=…`), or two seconds. Scenarios are long tests."""

from __future__ import annotations

import os
import random
import uuid
from pathlib import Path

import pytest

SHORT_SECONDS = 2.0
MAX_SECONDS = 300  # of a test, beside three times the length of its scenario


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    limit = MAX_SECONDS + 3 * float(os.environ.get("CHAOS_SECONDS", SHORT_SECONDS))
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(limit))
            if "seconds" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.long)


@pytest.fixture
def seconds() -> float:
    return float(os.environ.get("CHAOS_SECONDS", SHORT_SECONDS))


@pytest.fixture
def chance() -> random.Random:
    """The chance of the disturbances. Processes are not deterministic: the seed repeats only the disturbances."""
    seed = os.environ.get("CHAOS_SEED") or uuid.uuid4().hex
    print(f"CHAOS_SEED={seed}")
    return random.Random(seed)
