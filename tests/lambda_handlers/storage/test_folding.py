"""The schedule of folds, followed by a writer that does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from lambda_handlers.storage.folding import MAX_FILES, UNIT, fold_after


def follow(until: int, folds_from: int = 0) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """After each transaction: the files that a reader needs, as (first, last) transaction."""
    files: list[tuple[int, int]] = []
    for txid in range(folds_from + 1, until + 1):
        files.append((txid, txid))
        after = fold_after(txid, folds_from)
        if after is not None:
            kept = [file for file in files if file[1] <= after]
            assert (kept[-1][1] if kept else folds_from) == after, "a fold ends where another begins"
            files = [*kept, (after + 1, txid)]
        yield txid, files


@pytest.mark.parametrize("folds_from", [0, 1, 4096, 123_457])
def test_a_reader_never_needs_more_than_a_few(folds_from: int) -> None:
    most = max(len(files) for _, files in follow(folds_from + 12_000, folds_from))
    assert most <= MAX_FILES + UNIT - 1


def test_the_files_are_a_chain() -> None:
    for txid, files in follow(3000):
        assert files[0][0] == 1
        assert files[-1][1] == txid
        assert all(one[1] + 1 == other[0] for one, other in pairwise(files))


@pytest.mark.parametrize(("transactions", "times"), [(864, 2), (3504, 3), (11_424, 4)])
def test_nothing_is_written_again_more_often_than_promised(transactions: int, times: int) -> None:
    """How often a transaction's pages go into a fold, at most: the figures of the module's docstring."""
    written = [0] * (transactions + 1)
    for txid in range(1, transactions + 1):
        after = fold_after(txid, 0)
        if after is not None:
            for folded in range(after + 1, txid + 1):
                written[folded] += 1
    assert max(written) <= times


def test_between_the_units_nothing_is_folded() -> None:
    assert [txid for txid in range(100, 150) if fold_after(txid, 100) is not None] == [116, 132, 148]
