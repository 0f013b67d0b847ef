"""The table of mutations fits the code as it is; whether a test sees each of them, `make mutants` tells."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.mutant import INVARIANTS, Mutant
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parents[2]


def test_every_invariant_is_taken_out() -> None:
    assert {mutant.invariant for mutant in MUTANTS} == set(INVARIANTS)
    assert len(MUTANTS) >= 40
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_applies_to_the_source(mutant: Mutant) -> None:
    source = (ROOT / mutant.path).read_text()
    assert source.count(mutant.before) == 1
    changed = source.replace(mutant.before, mutant.after)
    if mutant.path.endswith(".py"):
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_tests_are_there(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).exists()
        assert not name or f"def {name}(" in (ROOT / path).read_text()
