"""A prepared file with another beginning and end is the file that would have been encoded at once."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import Encoder, encode_ltx
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES, PageMap
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.storage.prepared_file import Prepared, beginning, first_frame
from lambda_handlers.store.protocol import CopyOf
from lambda_handlers.wire import SldbError
from tests.fakes.stores.memory import memory_store

LATER = {"min_txid": 7, "max_txid": 7, "timestamp_ms": 1_790_000_000_123, "node_id": 0x11FFEEDDCCBBAA99}


def encode(header: Header, pages: list[bytes]) -> tuple[bytes, PageMap]:
    """The file, with its first page as a literal block, and its map."""
    encoder, builder = Encoder(header), PageMapBuilder(header)
    pieces = [encoder.begin()]
    for number, page in enumerate(pages, start=1):
        frame = first_frame(page) if number == 1 else ltx.compressed(Pgno(number), page)
        pieces.append(encoder.add(frame))
        builder.add(frame, pieces[-1])
    pieces.append(encoder.finish())
    return b"".join(pieces), builder.build(encoder.length, carry=encoder.length > MAP_WORTH_BYTES)


def cut(data: bytes, *at: int) -> list[bytes]:
    bounds = [0, *sorted(at), len(data)]
    return [data[low:high] for low, high in pairwise(bounds)]


def prepared_of(bodies: list[bytes], page_map: PageMap) -> tuple[Prepared, dict[str, bytes]]:
    there = {f"part-{number}": body for number, body in enumerate(bodies)}
    parts = [CopyOf(key, 0, len(body)) for key, body in there.items()]
    return Prepared.check(parts, bodies[0], bodies[-1], page_map), there


def made(prepared: Prepared, there: dict[str, bytes], header: Header, page: bytes) -> tuple[bytes, PageMap]:
    store = memory_store()
    for key, body in there.items():
        store.put(key, body)
    transaction = prepared.as_transaction(header, page)
    transaction.create(store, "it")
    return store.get("it"), transaction.layer.map


@st.composite
def files(draw):
    size = draw(st.sampled_from([512, 4096, 65536]))
    fresh = draw(st.lists(st.booleans(), min_size=1, max_size=40))
    return [os.urandom(size) if is_random else bytes([2 + number % 9]) * size for number, is_random in enumerate(fresh)]


@given(files(), st.binary(min_size=16, max_size=16), st.data())
def test_it_is_what_would_have_been_encoded_at_once(pages, seed, data):
    draft = Header(len(pages[0]), len(pages), 1, 1, timestamp_ms=0)
    body, page_map = encode(draft, pages)
    first_page = seed * (len(pages[0]) // 16)
    least = page_map.offsets[1]
    bounds = st.integers(least, max(least, len(body) - 8))
    prepared, there = prepared_of(cut(body, *data.draw(st.lists(bounds, max_size=4))), page_map)

    header = replace(draft, **LATER)
    assert made(prepared, there, header, first_page) == encode(header, [first_page, *pages[1:]])


def test_a_reader_finds_it_sound():
    pages = [os.urandom(4096) for _ in range(50)]
    draft = Header(4096, 50, 1, 1, timestamp_ms=0)
    body, page_map = encode(draft, pages)
    prepared, there = prepared_of(cut(body, 100_000, 150_000), page_map)
    whole, _ = made(prepared, there, replace(draft, **LATER), b"\5" * 4096)

    decoder = Decoder([whole], "it")
    assert [page for _, page in decoder.pages()] == [b"\5" * 4096, *pages[1:]]
    assert decoder.header.max_txid == 7


@pytest.mark.parametrize("size", [1 << power for power in range(9, 17)])
def test_the_beginning_is_as_long_for_any_page(size):
    header = Header(size, 1, 1, 1, 0)
    lengths = {len(beginning(header, page)) for page in (bytes(size), os.urandom(size), b"ab" * (size // 2))}
    assert len(lengths) == 1
    body, _ = encode(header, [os.urandom(size)])
    assert [pgno for pgno, _ in Decoder([body], "it").pages()] == [1]


BODY, MAP = encode(Header(512, 3, 1, 1, 0), [b"a" * 512, os.urandom(512), os.urandom(512)])
FIRST_AT = 100
DAMAGE = {
    "no file of the log": ([b"hello" * 100], MAP),
    "too short": ([BODY[:50]], MAP),
    "cut in the first page": ([BODY[:300], BODY[300:]], MAP),
    "of another transaction": ([encode(Header(512, 3, 2, 2, 0), [b"a" * 512] * 3)[0]], MAP),
    "of more than one transaction": ([encode(Header(512, 3, 1, 9, 0), [b"a" * 512] * 3)[0]], MAP),
    "its first page is compressed": ([encode_ltx(Header(512, 1, 1, 1, 0), [(Pgno(1), b"a" * 512)])], MAP),
    "a byte of a page": ([BODY[:900] + bytes([BODY[900] ^ 1]) + BODY[901:]], MAP),
    "a byte of the checksum": ([BODY[:-1] + bytes([BODY[-1] ^ 1])], MAP),
    "the checksum in two parts": ([BODY[:-3], BODY[-3:]], MAP),
    "a part is missing": ([BODY[:1000], BODY[1100:]], MAP),
    "the map of other pages": ([BODY], replace(MAP, commit=4)),
    "the map of a page size": ([BODY], replace(MAP, page_size=1024)),
    "the map of a longer file": ([BODY], replace(MAP, file_bytes=MAP.file_bytes + 1)),
    "a map that goes back": ([BODY], replace(MAP, offsets=MAP.offsets[::-1])),
    "a map without a group": ([BODY], replace(MAP, offsets=MAP.offsets[:1])),
    "a map that leaves pages out": ([BODY], replace(MAP, run_lengths=MAP.run_lengths[:0])),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_is_no_prepared_file_is_refused(what):
    bodies, page_map = DAMAGE[what]
    with pytest.raises(SldbError, match="part-0") as caught:
        prepared_of(bodies, page_map)
    assert caught.value.code == "corrupt"
