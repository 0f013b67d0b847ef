"""How long chaos reigns: CHAOS_SECONDS for each scenario (`make chaos SECONDS=…`), a few seconds in `make test`."""

from __future__ import annotations

import os
import random
import uuid

import pytest

SHORT_SECONDS = 2.0


@pytest.fixture
def seconds() -> float:
    return float(os.environ.get("CHAOS_SECONDS", SHORT_SECONDS))


@pytest.fixture
def chance() -> random.Random:
    """Of the disturbances. Processes are not deterministic: the seed says what was tried, and repeats only that."""
    seed = os.environ.get("CHAOS_SEED") or uuid.uuid4().hex
    print(f"CHAOS_SEED={seed}")
    return random.Random(seed)
