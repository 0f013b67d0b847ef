"""20,000 damaged inputs for the decoders and the splitters; `make fuzz SECONDS=600` tries others for longer."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS, cases

INPUTS = {"distant_rows": 1000, "scripts": 3000, "shapes": 1000, "fronts": 1000}
USUAL = 15_000 // (len(TARGETS) - len(INPUTS)) + 1


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs(name: str) -> None:
    assert sum(1 for _ in cases(name, 0, INPUTS.get(name, USUAL))) >= 1000


def test_as_many_as_are_stated() -> None:
    assert sum(INPUTS.get(name, USUAL) for name in TARGETS) >= 20_000
