"""Which combinations of parameters `make test` runs of a test with the marker `sampled`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from itertools import combinations, product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.running.sampling import Combination, sample

ROOT = Path(__file__).parents[2]
SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def products(sizes: list[int]) -> list[Combination]:
    return list(product(*(range(10 * number, 10 * number + size) for number, size in enumerate(sizes))))


@given(SIZES, st.integers(1, 3))
def test_a_sample_has_whatever_so_many_parameters_have_together(sizes: list[int], size: int) -> None:
    every = products(sizes)
    chosen = [every[place] for place in sample(every, size)]
    size = min(size, len(sizes))
    assert parts(chosen, size) == parts(every, size)


def parts(given: list[Combination], size: int) -> set[Combination]:
    return {part for combination in given for part in combinations(combination, size)}


@given(SIZES)
def test_of_a_product_it_has_as_many_as_the_longest_parameter_has_values(sizes: list[int]) -> None:
    assert len(sample(products(sizes))) == max(sizes)


def test_it_goes_across_the_values_and_not_along_the_first_ones() -> None:
    every = products([8, 4])
    second = Counter(every[place][1] for place in sample(every))
    assert len(second) == 4
    assert max(second.values()) < 8 - 3


def test_parameters_without_a_product_are_all_chosen() -> None:
    assert sample([(number, 10 + number) for number in range(5)]) == set(range(5))
    assert sample([]) == set()


FILES = {
    "conftest.py": """
import pytest
from tests.running.sampling import mark_all_but_samples
def pytest_configure(config): [config.addinivalue_line("markers", name) for name in ("sampled", "long")]
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items): mark_all_but_samples(items)
""",
    "test_it.py": """
import pytest
@pytest.fixture(params="xyz")
def store(request): return request.param
@pytest.mark.sampled
@pytest.mark.parametrize("number", range(5))
def test_sampled(store, number): pass
@pytest.mark.sampled(2)
@pytest.mark.parametrize(("one", "two"), [(1, 2), (1, 3)])
def test_pairs(store, one, two): pass
@pytest.mark.parametrize("number", range(4))
def test_whole(number): pass
""",
}


def test_what_is_in_no_sample_is_long(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    assert Counter(name.partition("[")[0] for name in collected(tmp_path, "not long")) == {
        "test_it.py::test_sampled": 5,
        "test_it.py::test_pairs": 6,
        "test_it.py::test_whole": 4,
    }


def collected(directory: Path, marker: str) -> list[str]:
    options = ["--collect-only", "-q", "-m", marker, "-p", "no:xdist", "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if "::" in line]
