from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lambda_handlers.storage.ltx import Pgno
from lambda_handlers.storage.page_cache import PageCache

SIZE = 512


def page(content: int) -> bytes:
    return bytes([content]) * SIZE


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[PageCache]:
    cache = PageCache(tmp_path)
    cache.page_size = SIZE
    yield cache
    cache.close()


def test_what_was_written_is_read(cache: PageCache) -> None:
    cache.write(Pgno(3), page(3))
    cache.write(Pgno(1), page(1))
    cache.write(Pgno(3), page(4))

    assert [cache.read(Pgno(pgno)) for pgno in (1, 2, 3, 4)] == [page(1), None, page(4), None]
    assert list(cache.pages()) == [1, 3]


def test_what_was_cut_off_does_not_come_back(cache: PageCache) -> None:
    for pgno in (1, 2, 3):
        cache.write(Pgno(pgno), page(pgno))
    cache.truncate(1)
    cache.write(Pgno(3), page(9))

    assert [cache.read(Pgno(pgno)) for pgno in (1, 2, 3)] == [page(1), None, page(9)]


def test_what_was_cut_off_takes_no_room(cache: PageCache) -> None:
    for pgno in range(1, 101):
        cache.write(Pgno(pgno), page(1))
    cache.truncate(10)
    assert os.fstat(cache._fd).st_size == 10 * SIZE
    cache.forget()
    assert os.fstat(cache._fd).st_size == 0


def test_cutting_above_the_end_changes_nothing(cache: PageCache) -> None:
    cache.write(Pgno(2), page(2))
    cache.truncate(5)

    assert list(cache.pages()) == [2]


def test_forgotten_pages_may_have_another_size(cache: PageCache) -> None:
    cache.write(Pgno(2), page(2))
    cache.forget()
    cache.page_size = 1024
    cache.write(Pgno(2), bytes([7]) * 1024)

    assert cache.read(Pgno(1)) is None
    assert cache.read(Pgno(2)) == bytes([7]) * 1024


@pytest.mark.parametrize(
    ("present", "count", "besides", "missing"),
    [
        ([], 0, 99, None),
        ([], 1, 99, 1),
        ([1, 2, 3], 3, 99, None),
        ([1, 3], 3, 99, 2),
        ([1, 3], 3, 2, None),
        ([1, 2], 3, 99, 3),
        ([1, 2], 3, 3, None),  # the lock page at the very end
        ([1, 2, 4], 5, 3, 5),
        ([1, 2, 3, 4], 3, 99, None),
        ([1, 4], 4, 2, 3),
    ],
)
def test_the_first_missing_page(
    cache: PageCache, present: list[int], count: int, besides: int, missing: int | None
) -> None:
    for pgno in present:
        cache.write(Pgno(pgno), page(pgno))

    assert cache.first_missing(count, Pgno(besides)) == missing


def test_the_file_goes_with_the_cache(tmp_path: Path) -> None:
    cache = PageCache(tmp_path / "made" / "for it")
    cache.page_size = SIZE
    cache.write(Pgno(1), page(1))
    cache.close()

    assert list((tmp_path / "made" / "for it").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="no sparse files there")
def test_pages_that_are_not_there_take_no_room(cache: PageCache) -> None:
    cache.write(Pgno(1_000_000), page(1))

    assert os.fstat(cache._fd).st_blocks * 512 < 1_000_000


def test_a_page_that_does_not_fit_is_an_error(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills in the middle of a page takes a part of it, and says so only by the count."""
    monkeypatch.setattr("lambda_handlers.storage.page_cache._write_at", lambda fd, data, offset: len(data) // 2)

    with pytest.raises(OSError, match="page 1"):
        cache.write(Pgno(1), page(1))
    assert cache.read(Pgno(1)) is None


def test_it_is_a_dictionary_of_pages(tmp_path: Path) -> None:
    pgnos = st.integers(1, 40)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.cache = PageCache(tmp_path)
            self.cache.page_size = SIZE
            self.model: dict[int, bytes] = {}

        @rule(pgno=pgnos, content=st.integers(0, 255))
        def write(self, pgno: int, content: int) -> None:
            self.cache.write(Pgno(pgno), page(content))
            self.model[pgno] = page(content)

        @rule(count=st.integers(0, 40))
        def truncate(self, count: int) -> None:
            self.cache.truncate(count)
            self.model = {pgno: page for pgno, page in self.model.items() if pgno <= count}

        @invariant()
        def same(self) -> None:
            assert list(self.cache.pages()) == sorted(self.model)
            assert {pgno: self.cache.read(Pgno(pgno)) for pgno in self.model} == self.model

        @rule(count=st.integers(0, 41), besides=pgnos)
        def first_missing(self, count: int, besides: int) -> None:
            missing = [pgno for pgno in range(1, count + 1) if pgno not in self.model and pgno != besides]
            found = self.cache.first_missing(count, Pgno(besides))
            assert (found is None) == (not missing)

        def teardown(self) -> None:
            self.cache.close()

    run_state_machine_as_test(Machine)
