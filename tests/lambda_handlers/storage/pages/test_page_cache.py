from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.page_cache import MIN_PAGES, PageCache

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


def test_what_was_cut_off_is_used_again(cache: PageCache) -> None:
    for pgno in range(1, 101):
        cache.write(Pgno(pgno), page(1))
    cache.truncate(10)
    for pgno in range(201, 291):
        cache.write(Pgno(pgno), page(2))
    assert os.fstat(cache._fd).st_size == cache.size_bytes == 100 * SIZE
    cache.forget()
    assert os.fstat(cache._fd).st_size == cache.size_bytes == 0


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
    monkeypatch.setattr("lambda_handlers.storage.pages.page_cache._write_at", lambda fd, data, offset: len(data) // 2)

    with pytest.raises(OSError, match="page 1"):
        cache.write(Pgno(1), page(1))
    assert cache.read(Pgno(1)) is None


def test_of_many_pages_that_do_not_fit_none_is_there(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_handlers.storage.pages.page_cache._write_at", lambda fd, data, offset: len(data) // 2)

    with pytest.raises(OSError, match="2 pages"):
        cache.write_many([(Pgno(1), page(1)), (Pgno(5), page(5))])
    assert [cache.read(Pgno(pgno)) for pgno in (1, 5)] == [None, None]
    assert len(cache) == 0


def test_many_pages_are_one_write(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    write_at = os.pwrite
    monkeypatch.setattr(
        "lambda_handlers.storage.pages.page_cache._write_at",
        lambda fd, data, offset: (writes.append(len(data)), write_at(fd, data, offset))[1],
    )
    cache.write_many([(Pgno(pgno), page(pgno)) for pgno in range(1, 101)])
    assert writes == [100 * SIZE]
    assert [cache.read(Pgno(pgno)) for pgno in (1, 100)] == [page(1), page(100)]


@pytest.mark.parametrize("examples", [20, pytest.param(settings().max_examples, marks=pytest.mark.long)])
@pytest.mark.parametrize("limit_pages", [None, MIN_PAGES, MIN_PAGES + 7])
def test_it_is_a_dictionary_of_pages(tmp_path: Path, limit_pages: int | None, examples: int) -> None:
    """With a limit it is one that forgets, and never above the limit."""
    pgnos = st.integers(1, 200)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[int] = []
            limit = None if limit_pages is None else limit_pages * SIZE
            self.cache = PageCache(tmp_path, limit, self.asked.append)
            self.cache.page_size = SIZE
            self.model: dict[int, bytes] = {}

        @rule(first=pgnos, count=st.integers(1, 60), content=st.integers(0, 255))
        def write(self, first: int, count: int, content: int) -> None:
            for pgno in range(first, first + count):
                self.cache.write(Pgno(pgno), page(content))
                self.model[pgno] = page(content)
                assert self.cache.read(Pgno(pgno)) == page(content)

        @rule(pgnos=st.sets(pgnos, min_size=1, max_size=80), content=st.integers(0, 255))
        def write_many(self, pgnos: set[int], content: int) -> None:
            fresh = [Pgno(pgno) for pgno in sorted(pgnos) if pgno not in self.cache]
            self.cache.write_many([(pgno, page(content)) for pgno in fresh])
            self.model.update(dict.fromkeys(fresh, page(content)))
            assert not fresh or self.cache.read(fresh[-1]) == page(content)

        @rule(count=st.integers(0, 260))
        def truncate(self, count: int) -> None:
            self.cache.truncate(count)
            self.model = {pgno: page for pgno, page in self.model.items() if pgno <= count}

        @rule(pgno=pgnos)
        def drop(self, pgno: int) -> None:
            self.cache.drop(Pgno(pgno))
            self.model.pop(pgno, None)

        @rule()
        def forget(self) -> None:
            self.cache.forget()
            self.model.clear()

        @invariant()
        def same(self) -> None:
            present = list(self.cache.pages())
            assert len(present) == len(self.cache)
            if limit_pages is None:
                assert present == sorted(self.model)
            else:
                assert set(present) <= set(self.model)
                assert len(present) == len(self.model) or self.cache.size_bytes == limit_pages * SIZE
                assert self.cache.size_bytes <= limit_pages * SIZE
            assert {pgno: self.cache.read(pgno) for pgno in present} == {pgno: self.model[pgno] for pgno in present}
            assert all((pgno in self.cache) == (pgno in present) for pgno in map(Pgno, range(1, 261)))
            assert self.cache.size_bytes <= max(self.asked, default=0)

        def teardown(self) -> None:
            self.cache.close()

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    )


def test_what_was_read_lately_stays(tmp_path: Path) -> None:
    cache = PageCache(tmp_path, MIN_PAGES * SIZE)
    cache.page_size = SIZE
    for pgno in range(1, MIN_PAGES + 1):
        cache.write(Pgno(pgno), page(1))
    often = [Pgno(3), Pgno(40)]
    for pgno in range(1000, 1500):
        assert all(cache.read(one) for one in often)
        cache.write(Pgno(pgno), page(2))

    assert len(cache) == MIN_PAGES
    cache.close()
