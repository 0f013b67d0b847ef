"""The table of mutations fits the code as it is; whether a test sees each of them, `make mutants` tells."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.mutant import INVARIANTS
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parents[2]


def test_every_invariant_is_taken_out() -> None:
    assert {mutant.invariant for mutant in MUTANTS} == set(INVARIANTS)
    assert len(MUTANTS) >= 40
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


@pytest.mark.parametrize("path", sorted({mutant.path for mutant in MUTANTS}))
def test_they_apply_to_the_source(path: str) -> None:
    source = _text(path)
    meaning = _meaning(path, source)
    mutants = [mutant for mutant in MUTANTS if mutant.path == path]
    assert [mutant.name for mutant in mutants if source.count(mutant.before) != 1] == []
    changed = {mutant.name: source.replace(mutant.before, mutant.after) for mutant in mutants}
    assert [name for name, text in changed.items() if _meaning(path, text) == meaning] == []


def _meaning(path: str, text: str) -> str:
    """Return a text for what a source does: of Python without comments and layout."""
    return ast.dump(ast.parse(text)) if path.endswith(".py") else text


def test_their_tests_are_there() -> None:
    assert [mutant.name for mutant in MUTANTS if not mutant.tests] == []
    missing = {mutant.name: [test for test in mutant.tests if not _is_there(test)] for mutant in MUTANTS}
    assert {name: tests for name, tests in missing.items() if tests} == {}


def _is_there(test: str) -> bool:
    path, _, name = test.partition("::")
    return f"def {name}(" in _text(path) if name else (ROOT / path).exists()


@cache
def _text(path: str) -> str:
    return (ROOT / path).read_text() if (ROOT / path).is_file() else ""
