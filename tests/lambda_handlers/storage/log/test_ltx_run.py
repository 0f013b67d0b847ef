"""Runs: a file of runs is the file of their pages, byte by byte, and so is its page map."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.storage.log.ltx import Header, Pgno, compressed
from lambda_handlers.storage.log.ltx_encoder import Encoder
from lambda_handlers.storage.log.ltx_run import RunBuffer
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder

SIZE = 512
SCHEMA_OF_TWO = bytearray(SIZE)  # a page 1 with two children, pages 40 and 70
SCHEMA_OF_TWO[100:112] = bytes((5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 70))
SCHEMA_OF_TWO[112:114] = (300).to_bytes(2, "big")
SCHEMA_OF_TWO[300:304] = (40).to_bytes(4, "big")

counts = st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.integers(1, 3)), max_size=6)


def a_page(pgno: int, chance: random.Random) -> bytes:
    if pgno == 1:
        return bytes(SCHEMA_OF_TWO)
    kind = chance.choice((0, 2, 5, 10, 13))
    return bytes((kind,)) + chance.randbytes(chance.choice((0, 20, SIZE - 1))).ljust(SIZE - 1, b"\0")


def one_by_one(header: Header, pages: dict[int, bytes]) -> tuple[bytes, PageMap]:
    encoder, builder = Encoder(header), PageMapBuilder(header)
    pieces = [encoder.begin()]
    for pgno, page in pages.items():
        frame = compressed(Pgno(pgno), page)
        pieces.append(encoder.add(frame))
        builder.add(frame)
    pieces.append(encoder.finish())
    return b"".join(pieces), builder.build(encoder.length)


@given(counts, st.booleans(), st.integers(0, 1000))
@example(counts=[(60, True, 1), (60, True, 1)], begins_at_1=True, seed=1)
def test_a_file_of_runs_is_that_of_its_pages(counts: list[tuple[int, bool, int]], begins_at_1: bool, seed: int) -> None:
    """Runs of any length, some added page by page, with and without a gap before them."""
    chance = random.Random(seed)
    header = Header(SIZE, 1000, 1, 1, 1_700_000_000_000)
    encoder, builder, buffer = Encoder(header), PageMapBuilder(header), RunBuffer(SIZE)
    pieces, pages, pgno = [encoder.begin()], dict[int, bytes](), 1 if begins_at_1 else 2
    for count, is_run, gap in counts:
        run = {number: a_page(number, chance) for number in range(pgno, pgno + count)}
        pages |= run
        if is_run:
            for slot, page in zip(buffer.pages, run.values(), strict=False):
                slot[:] = page
            encoded = buffer.encode(range(pgno, pgno + count))
            builder.add_run(encoded)
            pieces.append(encoder.add_run(encoded))
        else:
            for number, page in run.items():
                frame = compressed(Pgno(number), page)
                pieces.append(encoder.add(frame))
                builder.add(frame)
        pgno += count + gap - 1
    pieces.append(encoder.finish())
    assert (b"".join(pieces), builder.build(encoder.length)) == one_by_one(header, pages)
