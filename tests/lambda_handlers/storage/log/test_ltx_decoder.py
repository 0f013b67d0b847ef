"""Pages of a piece of a file: many at a time are the same as one by one. Whole files are decoded in test_ltx."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from random import Random

import lz4.block
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.storage.log import ltx_decoder
from lambda_handlers.storage.log.ltx import Frame, Pgno
from lambda_handlers.storage.log.ltx_decoder import decode_frames, decode_runs
from lambda_handlers.wire import SldbError

SIZE = 512
PAGES = {Pgno(number * 2): Random(number).randbytes(40) * 13 for number in range(1, 12)}


def piece() -> bytes:
    pages = {pgno: page[:SIZE] for pgno, page in PAGES.items()}
    frames = (Frame(pgno, page, lz4.block.compress(page, store_size=False)) for pgno, page in pages.items())
    return b"".join(frame.encode() for frame in frames)


def outcome(pages: Iterable[tuple[Pgno, bytes]]) -> list[tuple[Pgno, bytes]] | str:
    try:
        return list(pages)
    except SldbError as error:
        return str(error)


def one_by_one(data: bytes) -> Iterator[tuple[Pgno, bytes]]:
    return ((frame.pgno, frame.page) for frame in decode_frames(data, SIZE, "key"))


@given(st.integers(0, len(piece())), st.integers(0, len(piece()) - 1), st.integers(0, 7))
@example(len(piece()), 4, 3)
@example(0, 0, 0)
def test_runs_are_the_same_pages_and_errors(end: int, position: int, bit: int) -> None:
    for data in (piece()[:end], bytes(byte ^ (at == position) << bit for at, byte in enumerate(piece()))):
        assert outcome(chain.from_iterable(decode_runs(data, SIZE, "key"))) == outcome(one_by_one(data))


def test_a_run_stays_in_a_cores_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ltx_decoder, "MAX_RUN_BYTES", 4 * SIZE)
    runs = list(decode_runs(piece(), SIZE, "key"))
    assert [len(run) for run in runs] == [4, 4, 3]
    assert dict(chain.from_iterable(runs)) == {pgno: page[:SIZE] for pgno, page in PAGES.items()}
