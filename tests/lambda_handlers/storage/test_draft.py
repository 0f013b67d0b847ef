"""Pages that were written and pages that were not: what a commit takes, and what a dropped draft leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.replica import Replica
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import FaultyStore

SIZE = 512
NewReplica: TypeAlias = Callable[[], Replica]


def page(content: int) -> bytes:
    """With the size of pages where the first one has it."""
    return bytes([content]) * 16 + SIZE.to_bytes(2, "big") + bytes([content]) * (SIZE - 18)


def first_page(page_count: int, is_valid: bool = True) -> bytes:
    """With SQLite's size of the database, and the two counters that say whether it may be believed."""
    body = bytearray(page(1))
    body[24:28] = (7).to_bytes(4, "big")
    body[28:32] = page_count.to_bytes(4, "big")
    body[92:96] = (7 if is_valid else 8).to_bytes(4, "big")
    return bytes(body)


@pytest.fixture
def replica(store: FaultyStore, tmp_path: Path) -> Iterator[Replica]:
    """With pages 1 to 4, which hold their numbers."""
    replica = Replica(store, "main", tmp_path, Clock().host())
    replica.refresh()
    replica.commit(PageChanges(SIZE, 4, lambda: [(Pgno(n), page(n)) for n in range(1, 5)]))
    yield replica
    replica.close()


@pytest.fixture
def draft(replica: Replica, tmp_path: Path) -> Iterator[Draft]:
    draft = Draft(replica, tmp_path)
    yield draft
    draft.close()


def committed_pages(store: FaultyStore, txid: int) -> tuple[int, dict[int, bytes]]:
    key = transaction(txid).key("main")
    decoder = Decoder([store.get(key)], key)
    return decoder.header.commit, dict(decoder.pages())


def test_an_unwritten_draft_is_the_replica(draft: Draft) -> None:
    assert (draft.page_count, draft.page_size, len(draft._dirty)) == (4, SIZE, 0)
    assert [draft.read(Pgno(n)) for n in (1, 2, 3, 4)] == [page(n) for n in (1, 2, 3, 4)]


def test_a_dropped_draft_leaves_the_replica_as_it_was(draft: Draft, replica: Replica, store: FaultyStore) -> None:
    draft.write(Pgno(2), page(20))
    draft.write(Pgno(7), page(70))
    draft.truncate(1)
    assert not len(draft._dirty) or draft.page_count == 1
    draft.clear()

    assert (draft.page_count, len(draft._dirty)) == (4, 0)
    assert [draft.read(Pgno(n)) for n in (1, 2, 3, 4)] == [page(n) for n in (1, 2, 3, 4)]
    assert [replica.read(Pgno(n)) for n in (1, 2, 3, 4)] == [page(n) for n in (1, 2, 3, 4)]
    assert (replica.txid, replica.page_count, len(store.written)) == (1, 4, 2)  # with its head


def test_what_was_written_is_read_before_it_is_committed(draft: Draft, replica: Replica) -> None:
    draft.write(Pgno(2), page(20))

    assert (draft.read(Pgno(2)), replica.read(Pgno(2))) == (page(20), page(2))


def test_a_commit_takes_only_what_was_written(draft: Draft, replica: Replica, store: FaultyStore) -> None:
    draft.write(Pgno(3), page(30))

    assert draft.commit() == 2

    assert committed_pages(store, 2) == (4, {3: page(30)})
    assert [replica.read(Pgno(n)) for n in (1, 2, 3, 4)] == [page(n) for n in (1, 2, 30, 4)]
    assert len(draft._dirty) == 0


def test_pages_between_the_old_end_and_the_new_are_zeros_and_committed(draft: Draft, store: FaultyStore) -> None:
    """SQLite need not write a page that it took and freed again; another reader needs it all the same."""
    draft.write(Pgno(7), page(70))
    assert draft.read(Pgno(6)) == bytes(SIZE)

    draft.commit()

    assert committed_pages(store, 2) == (7, {5: bytes(SIZE), 6: bytes(SIZE), 7: page(70)})


def test_what_was_cut_off_is_zeros_after_growing_again(draft: Draft, replica: Replica, store: FaultyStore) -> None:
    """Not what the replica holds there: the line is `_inherited` in Draft.truncate."""
    draft.write(Pgno(4), page(40))
    draft.truncate(2)
    draft.write(Pgno(5), page(50))

    assert [draft.read(Pgno(n)) for n in (2, 3, 4, 5)] == [page(2), bytes(SIZE), bytes(SIZE), page(50)]
    draft.commit()
    assert committed_pages(store, 2) == (5, {3: bytes(SIZE), 4: bytes(SIZE), 5: page(50)})
    assert replica.read(Pgno(4)) == bytes(SIZE)


def test_the_header_says_how_much_is_left(draft: Draft, replica: Replica, store: FaultyStore) -> None:
    """SQLite cuts the file after the commit: the line is Draft._committed_page_count."""
    draft.write(Pgno(1), first_page(2))
    draft.write(Pgno(4), page(40))
    draft.commit()

    assert committed_pages(store, 2) == (2, {1: first_page(2)})
    assert (replica.page_count, draft.page_count) == (2, 2)
    draft.truncate(2)  # as SQLite does now
    assert len(draft._dirty) == 0


@pytest.mark.parametrize("header", [first_page(2, is_valid=False), first_page(0), first_page(9)])
def test_a_header_that_may_not_be_believed(draft: Draft, store: FaultyStore, header: bytes) -> None:
    """Counters that differ (an old SQLite wrote it), no size, or more than there is."""
    draft.write(Pgno(1), header)
    draft.commit()

    assert committed_pages(store, 2) == (4, {1: header})


def test_the_first_write_says_how_large_pages_are(store: FaultyStore, tmp_path: Path) -> None:
    replica = Replica(store, "new", tmp_path, Clock().host())
    draft = Draft(replica, tmp_path)
    try:
        replica.refresh()
        assert (draft.page_size, draft.page_count) == (0, 0)
        draft.write(Pgno(1), bytes(8192))
        assert (draft.page_size, draft.page_count) == (8192, 1)
        draft.clear()
        draft.write(Pgno(1), page(1))
        draft.commit()
        assert replica.page_size == 512
    finally:
        draft.close()
        replica.close()


@pytest.mark.parametrize("size", [256, 1024, 0])
def test_pages_keep_their_size(draft: Draft, replica: Replica, store: FaultyStore, size: int) -> None:
    """SQLite's header and the log's must agree: the line is Draft._check_page_size."""
    body = bytearray(first_page(4))
    body[16:18] = size.to_bytes(2, "big")
    draft.write(Pgno(1), bytes(body))

    with pytest.raises(ValueError, match=f"got {size}, want 512"):
        draft.commit()
    assert (replica.txid, len(store.written)) == (1, 2)  # with its head


def test_the_lock_page_is_never_committed(
    replica: Replica, draft: Draft, store: FaultyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's lock byte lies at 1 GiB; here it lies in page 6."""
    monkeypatch.setattr(ltx, "LOCK_BYTE_OFFSET", 5 * SIZE)
    draft.write(Pgno(6), page(60))
    draft.write(Pgno(8), page(80))
    draft.commit()

    assert committed_pages(store, 2) == (8, {5: bytes(SIZE), 7: bytes(SIZE), 8: page(80)})
    other = Replica(store, "main", tmp_path, Clock().host())
    try:
        other.refresh()
        assert (other.txid, other.page_count) == (2, 8)
    finally:
        other.close()


def test_a_commit_that_fails_keeps_the_draft_and_the_replica(
    draft: Draft, replica: Replica, store: FaultyStore
) -> None:
    from lambda_handlers.wire import SldbError
    from tests.fakes.stores.faulty import refuse

    draft.write(Pgno(2), page(20))
    store.plan("create", refuse)
    with pytest.raises(SldbError):
        draft.commit()

    assert (replica.txid, replica.read(Pgno(2)), draft.read(Pgno(2))) == (1, page(2), page(20))
