"""The same seed is the same history, to the letter and in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.histories.cases import outcome_of

ROOT = Path(__file__).parents[2]
DIGESTS = """
from tests.simulation.histories.cases import outcome_of
for seed in (0, 1, 2, "t0", "t1"): print(outcome_of(seed).history.digest())
"""


@pytest.mark.long
def test_a_seed_gives_the_same_history_again() -> None:
    for seed in (*range(4), "t0", "t1", "t2"):
        assert outcome_of(seed).history.text() == outcome_of(seed).history.text()


@pytest.mark.long
def test_it_does_so_in_another_process() -> None:
    """Whose strings hash differently, so that no order of a set can hide in a history."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert digests == {"".join(f"{outcome_of(seed).history.digest()}\n" for seed in (0, 1, 2, "t0", "t1"))}


def test_seeds_differ() -> None:
    assert outcome_of(1).history.digest() != outcome_of(2).history.digest()
