"""Pages read from a file itself: all but the lock page, whole, whatever the system reads at once."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.push_pull import file_pages
from sldb.push_pull.file_pages import FileTooShort, read_pages

SIZE = 512


def content(page_count: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") * (SIZE // 2) for number in range(1, page_count + 1))


def slots(count: int) -> list[memoryview]:
    return [memoryview(bytearray(SIZE)) for _ in range(count)]


def read(file: BinaryIO, page_count: int, slot_count: int) -> dict[int, bytes]:
    own = slots(slot_count)
    runs = read_pages(file, SIZE, page_count, own)
    return {pgno: bytes(slot) for pgnos in runs for pgno, slot in zip(pgnos, own, strict=False)}


@given(page_count=st.integers(1, 30), slot_count=st.integers(1, 9), lock_page=st.integers(2, 35), short=st.booleans())
def test_every_page_but_the_first_and_the_lock_page(
    tmp_path_factory: pytest.TempPathFactory, page_count: int, slot_count: int, lock_page: int, short: bool
) -> None:
    """`short`: the system reads less than it was asked for, or has no call for many pages at once."""
    path: Path = tmp_path_factory.mktemp("pages") / "in.db"
    path.write_bytes(content(page_count))
    with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
        patch.setattr(file_pages, "lock_page", lambda _size: lock_page)
        if short:
            patch.setattr(os, "preadv", lambda _descriptor, _slots, _offset: 100)
        pages = read(cast(BinaryIO, file), page_count, slot_count)
    whole = content(page_count)
    expected = {n: whole[(n - 1) * SIZE : n * SIZE] for n in range(2, page_count + 1) if n != lock_page}
    assert pages == expected


def test_a_file_that_became_shorter(tmp_path: Path) -> None:
    path = tmp_path / "in.db"
    path.write_bytes(content(5)[:-1])
    with path.open("rb") as file, pytest.raises(FileTooShort):
        read(file, 5, 8)


def test_a_system_without_such_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "preadv")
    assert list(read(BytesIO(content(3)), 3, 2)) == [2, 3]
