"""The local pages: disposable, and never half of a file. Each docstring names the line that guards."""

from __future__ import annotations

import pytest

from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.wire import SldbError
from tests.lambda_handlers.storage.numbers_table import (
    MakeEngine,
    insert,
    numbers,
    written,
)


class FullDisk(OSError):
    pass


def test_a_full_disk_is_told_and_forgotten(engine: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    written(engine(), 3)
    cold = engine()

    def fail(*_: object) -> None:
        raise FullDisk("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(PageCache, "write", fail)
        with pytest.raises(SldbError, match="No space left") as caught:
            cold.replica.refresh()
    assert caught.value.code == "too_large"
    assert "--ephemeral-storage" in caught.value.hint

    cold.replica.refresh()
    assert numbers(cold) == [2, 3]


@pytest.mark.parametrize("failure", [FullDisk("No space left on device"), MemoryError()], ids=["disk", "memory"])
def test_half_of_a_transaction_is_not_served_to_who_accepts_an_old_state(
    engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The lines are `self.forget()` in LocalPages._all_or_nothing: a copy that is young may have new pages in it."""
    reader, writer = written(engine(), 2), engine()
    reader.replica.refresh()
    reader.image()
    writer.write(*(f"INSERT INTO t SELECT {n} FROM t" for n in range(3, 14)))
    really_write = PageCache.write

    def fail_at_the_second_page(self: PageCache, pgno: Pgno, page: bytes) -> None:
        if pgno > 1:
            raise failure
        really_write(self, pgno, page)

    with monkeypatch.context() as patched:
        patched.setattr(PageCache, "write", fail_at_the_second_page)
        with pytest.raises((SldbError, MemoryError)):
            reader.replica.refresh()
    reader.replica.refresh(max_staleness=60)
    assert reader.image() == writer.image()


def test_what_a_large_transaction_changed_is_not_read_from_the_cache(engine: MakeEngine) -> None:
    """The line is `self._cache.drop(pgno)` in Replica._stand_on: the pages of a large file come when they are read."""
    writer, reader = engine(), engine(limit_bytes=64 << 20)
    writer.write(
        "CREATE TABLE t(n INTEGER PRIMARY KEY, x)",
        "WITH i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 2500) "
        "INSERT INTO t SELECT n, randomblob(3900) FROM i",
    )
    reader.replica.refresh()
    assert reader.image() == writer.image()
    writer.write("UPDATE t SET x = randomblob(3900)")
    reader.replica.refresh()
    assert reader.image() == writer.image()


@pytest.mark.parametrize("failure", [FullDisk, KeyboardInterrupt, MemoryError])
def test_what_cannot_be_kept_after_a_commit_is_forgotten(
    engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    """Invariant 7: half of a transaction in the local copy would be served as its old state."""
    one = written(engine(), 3)
    cache, really_write = one.replica._pages._cache, PageCache.write

    def fail_at_the_second_page(self: PageCache, pgno: Pgno, page: bytes) -> None:
        if self is cache and pgno > 1:
            raise failure
        really_write(self, pgno, page)

    with monkeypatch.context() as patched:
        patched.setattr(PageCache, "write", fail_at_the_second_page)
        if failure is not KeyboardInterrupt:
            assert one.write(insert(4)) == 4  # committed all the same
        else:
            with pytest.raises(failure):
                one.write(insert(4))

    one.replica.refresh(max_staleness=1000)
    assert numbers(one) == [2, 3, 4]
