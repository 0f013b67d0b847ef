"""Samples of the combinations of a test's parameters, for tests with the marker `sampled`.

`make test` runs a few combinations: together they have each value of each parameter (`sampled(2)`: each pair of values
of two parameters). The others get the marker `long`, so that every combination runs in some step. The choice depends on
nothing but the parameters and their order.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import combinations

import pytest

Combination = tuple[int, ...]  # a number for the value of each parameter; no two parameters share a number


def mark_all_but_samples(items: Iterable[pytest.Item]) -> None:
    """Give the marker `long` to the combinations of sampled tests that are in no sample."""
    tests: dict[str, list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("sampled"):
            tests.setdefault(f"{item.path}::{item.originalname}", []).append(item)
    for functions in tests.values():
        marker = functions[0].get_closest_marker("sampled")
        assert marker is not None
        chosen = sample(_numbered(functions), *marker.args)
        for number, function in enumerate(functions):
            if number not in chosen:
                function.add_marker(pytest.mark.long)


def sample(given: Sequence[Combination], size: int = 1) -> set[int]:
    """Return the places of combinations that together have whatever `size` parameters have in any of them."""
    wanted = [set(combinations(combination, min(size, len(combination)))) for combination in given]
    left = set().union(*wanted)
    order = sorted(range(len(given)), key=lambda place: zlib.crc32(repr(given[place]).encode()))
    chosen: set[int] = set()
    while left:
        best = max(order, key=lambda place: len(wanted[place] & left))
        chosen.add(best)
        left -= wanted[best]
    return chosen


def _numbered(functions: Sequence[pytest.Function]) -> list[Combination]:
    """Return the combination of each. Parameters that are given together, in one `parametrize`, count as one."""
    numbers: dict[tuple[object, ...], int] = {}
    found: list[Combination] = []
    for function in functions:
        values = function.callspec.params
        together = [_names(marker) for marker in function.iter_markers("parametrize")]
        alone = [(name,) for name in sorted(values) if not any(name in names for names in together)]
        keys = [(*names, tuple(id(values[name]) for name in names)) for names in [*together, *alone]]
        found.append(tuple(numbers.setdefault(key, len(numbers)) for key in keys))
    return found


def _names(parametrize: pytest.Mark) -> tuple[str, ...]:
    names = parametrize.args[0]
    return tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)
