"""The file format: one file byte by byte, every rule by a case, every damage by trying it."""

from __future__ import annotations

import os
import re
import struct
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import lz4.block
import pytest
from fastcrc import crc64
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log.ltx import HEADER_BYTES, LOCK_BYTE_OFFSET, PAGE_SIZES, Header, Pgno, lock_page
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.wire import SldbError

KEY = "main/0000/0000000000000001-0000000000000001.ltx"

# Pages 1 and 3 of a database of 3 pages of 512 bytes, transactions 42 and 43 merged, in full.
HEADER = Header(
    page_size=512,
    commit=3,
    min_txid=42,
    max_txid=43,
    timestamp_ms=1_700_000_000_000,
    node_id=0x1122334455667788,
)
PAGES = [(Pgno(1), b"A" * 512), (Pgno(3), bytes(range(16)) * 32)]
FILE = bytes.fromhex(
    "4c545831"  # LTX1
    "00000002"  # flags: no database checksum
    "00000200"  # page size
    "00000003"  # commit: pages of the database
    "000000000000002a 000000000000002b"  # min and max txid
    "0000018bcfe56800"  # timestamp, ms
    "0000000000000000"  # pre-apply checksum
    "0000000000000000 0000000000000000 00000000 00000000"  # WAL offset, size, salts
    "1122334455667788"  # node id
    "0000000000000000000000000000000000000000"  # reserved
    "00000001 0001 0000000c"  # page 1, a size follows: 12
    "1f 41 0100 ff e8 50 4141414141"  # LZ4: one A, then 507 times what was one byte before, then five As
    "00000003 0001 0000001c"  # page 3, a size follows: 28
    "ff 01 000102030405060708090a0b0c0d0e0f 1000 ff d9 50 0b0c0d0e0f"
    "000000000000"  # end of pages
    "01 64 16"  # index: page 1 at offset 100, 22 bytes long
    "03 7a 26"  # page 3 at offset 122, 38 bytes long
    "00 0000000000000007"  # end of the index, and its length
    "0000000000000000"  # post-apply checksum
    "9c9fdb6822619ec9"  # CRC-64/GO-ISO, top bit set
)


def decode(file: bytes, key: str = KEY) -> tuple[Header, list[tuple[Pgno, bytes]]]:
    """Decode page by page, and see that runs give the same pages or the same error."""
    try:
        decoder = Decoder([file], key)
        pages = list(decoder.pages())
    except SldbError as error:
        with pytest.raises(SldbError, match=f"^{re.escape(error.message)}$"):
            in_runs([file], key)
        raise
    assert in_runs([file], key) == pages
    return decoder.header, pages


def in_runs(chunks: Iterable[bytes], key: str = KEY) -> list[tuple[Pgno, bytes]]:
    runs = Decoder(chunks, key).runs()
    return [(Pgno(first + at), page) for first, pages in runs for at, page in enumerate(pages)]


def assert_corrupt(file: bytes, what: str | None = None) -> None:
    with pytest.raises(SldbError, match=what) as caught:
        decode(file)
    assert caught.value.code == "corrupt"
    assert caught.value.message.startswith(f"{KEY}: ")
    assert caught.value.details == {"key": KEY}
    assert caught.value.hint


def sealed(file: bytes, pages: list[tuple[Pgno, bytes]] | None = None) -> bytes:
    """The same file with the checksum that its header and index as they are now would have."""
    pages, checksum, position = pages or PAGES, crc64.go_iso(file[:HEADER_BYTES]), HEADER_BYTES
    for _, page in pages:
        size = int.from_bytes(file[position + 6 : position + 10], "big")
        checksum = crc64.go_iso(file[position : position + 10] + page, checksum)
        position += 10 + size
    checksum = crc64.go_iso(file[position:-8], checksum) | 1 << 63
    return file[:-8] + checksum.to_bytes(8, "big")


def with_field(offset: int, value: bytes) -> bytes:
    return sealed(FILE[:offset] + value + FILE[offset + len(value) :])


# The format


def test_encode() -> None:
    assert encode_ltx(HEADER, PAGES) == FILE


def test_decode() -> None:
    assert decode(FILE) == (HEADER, PAGES)


def test_sealing_is_what_the_encoder_does() -> None:
    assert sealed(FILE) == FILE


def test_a_file_without_pages() -> None:
    """A transaction that empties the database."""
    header = replace(HEADER, commit=0)

    assert decode(encode_ltx(header, [])) == (header, [])
    assert len(encode_ltx(header, [])) == 100 + 6 + 1 + 8 + 16


def test_the_index_says_where_every_frame_is() -> None:
    pages = [(Pgno(pgno), os.urandom(4096)) for pgno in (1, 127, 128, 16384, 2_000_000)]
    file = encode_ltx(replace(HEADER, page_size=4096, commit=2_000_000), pages)
    length = int.from_bytes(file[-24:-16], "big")
    numbers, value, shift = [], 0, 0
    for byte in file[-24 - length : -25]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0

    entries = [tuple(numbers[i : i + 3]) for i in range(0, len(numbers), 3)]
    assert [pgno for pgno, _, _ in entries] == [pgno for pgno, _ in pages]
    for (pgno, page), (_, offset, size) in zip(pages, entries, strict=True):
        assert struct.unpack_from(">IHI", file, offset) == (pgno, 1, size - 10)
        assert lz4.block.decompress(file[offset + 10 : offset + size], uncompressed_size=4096) == page


@given(st.data())
def test_what_is_encoded_is_decoded(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from(sorted(PAGE_SIZES)))
    pgnos = sorted(data.draw(st.sets(st.integers(1, 1 << 20), max_size=4)) - {lock_page(page_size)})
    pages = [(Pgno(pgno), data.draw(page_contents(page_size))) for pgno in pgnos]
    low = data.draw(st.integers(1, (1 << 63) - 1))
    header = Header(
        page_size=page_size,
        commit=max([*pgnos, data.draw(st.integers(0, 1 << 20))]),
        min_txid=low,
        max_txid=data.draw(st.integers(low, (1 << 63) - 1)),
        timestamp_ms=data.draw(st.integers(0, 1 << 50)),
        node_id=data.draw(st.integers(0, (1 << 64) - 1)),
    )

    assert decode(encode_ltx(header, pages)) == (header, pages)


def page_contents(page_size: int) -> st.SearchStrategy[bytes]:
    """Compressible and not: short patterns repeated, and noise."""
    repeated = st.binary(min_size=1, max_size=40).map(lambda unit: (unit * (page_size // len(unit) + 1))[:page_size])
    noise = st.integers(0, 1 << 32).map(lambda seed: Random(seed).randbytes(page_size))
    return repeated | noise


@given(st.lists(st.integers(0, len(FILE)), max_size=20))
def test_how_it_arrives_does_not_matter(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(FILE)]
    chunks = [FILE[start:end] for start, end in pairwise(bounds)]
    decoder = Decoder(chunks, KEY)

    assert (decoder.header, list(decoder.pages())) == (HEADER, PAGES)
    assert in_runs(chunks) == PAGES


@given(st.integers(1, 40), st.sets(st.integers(2, 39)), st.integers(60, 5000))
def test_runs_end_at_gaps_and_where_pieces_do(last: int, left_out: set[int], piece: int) -> None:
    pages = [(Pgno(pgno), bytes((pgno,)) * 512) for pgno in range(1, last + 1) if pgno not in left_out]
    file = encode_ltx(replace(HEADER, commit=last), pages)
    chunks = [file[start : start + piece] for start in range(0, len(file), piece)]
    assert in_runs(chunks) == pages
    gaps = sum(after - before > 1 for (before, _), (after, _) in pairwise(pages))
    assert len(list(Decoder([file], KEY).runs())) <= 1 + gaps


def test_byte_by_byte() -> None:
    assert list(Decoder((FILE[i : i + 1] for i in range(len(FILE))), KEY).pages()) == PAGES


def test_memory_stays_bounded() -> None:
    """64 MiB of noise pass through in pieces; neither the file nor its pages are ever there whole."""
    count, page_size = 1024, 65536
    header = replace(HEADER, page_size=page_size, commit=count)
    noise = os.urandom(page_size)
    file = encode_ltx(header, ((Pgno(pgno), noise) for pgno in range(1, count + 1)))
    chunks = (bytes(memoryview(file)[start : start + (1 << 20)]) for start in range(0, len(file), 1 << 20))

    tracemalloc.start()
    try:
        pages = sum(1 for _ in Decoder(chunks, KEY).pages())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert pages == count
    assert peak < 8 << 20


@pytest.mark.parametrize("page_size", sorted(PAGE_SIZES))
def test_the_lock_page_holds_the_lock_byte(page_size: int) -> None:
    first = (lock_page(page_size) - 1) * page_size

    assert first <= LOCK_BYTE_OFFSET < first + page_size


# Damage


@pytest.mark.parametrize("bit", range(8))
def test_any_flipped_bit_is_found(bit: int) -> None:
    for position in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[position] ^= 1 << bit
        assert_never_wrong(bytes(damaged))


def test_any_truncation_is_found() -> None:
    for length in range(len(FILE)):
        assert_corrupt(FILE[:length])


def test_any_inserted_byte_is_found() -> None:
    for position in range(len(FILE) + 1):
        for byte in (0, 1, 0x41, 0xFF):
            assert_never_wrong(FILE[:position] + bytes([byte]) + FILE[position:])


def test_any_removed_byte_is_found() -> None:
    for position in range(len(FILE)):
        assert_never_wrong(FILE[:position] + FILE[position + 1 :])


@pytest.mark.parametrize("extra", [b"\0", b"more", FILE])
def test_nothing_follows_the_trailer(extra: bytes) -> None:
    assert_corrupt(FILE + extra)


@given(st.binary(max_size=400))
def test_noise_is_no_file(noise: bytes) -> None:
    assert_corrupt(noise)
    assert_corrupt(FILE[:HEADER_BYTES] + noise)


@given(st.data())
def test_damage_to_any_file_is_found(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from([512, 4096, 65536]))
    pages = [(Pgno(pgno), data.draw(page_contents(page_size))) for pgno in (1, 2, 5)]
    header = replace(HEADER, page_size=page_size, commit=5)
    file = encode_ltx(header, pages)
    damage: Callable[[bytes, int], bytes] = data.draw(
        st.sampled_from(
            [
                lambda file, at: file[:at] + bytes([file[at] ^ 1 << at % 8]) + file[at + 1 :],
                lambda file, at: file[:at],
                lambda file, at: file[:at] + b"\x07" + file[at:],
                lambda file, at: file[:at] + bytes(512) + file[at + 512 :],
                lambda file, at: file[:at] + file[at // 2 :],
            ]
        )
    )
    damaged = damage(file, data.draw(st.integers(0, len(file) - 1)))

    if damaged != file:
        assert_never_wrong(damaged, (header, pages))


def assert_never_wrong(file: bytes, right: tuple[Header, list[tuple[Pgno, bytes]]] = (HEADER, PAGES)) -> None:
    """`corrupt`, or the same pages: a block may say the same thing in another way, and only what it says counts."""
    try:
        got: object = decode(file)
    except SldbError as error:
        got = (error.code, error.details)
    assert got in (right, ("corrupt", {"key": KEY}))


def test_pages_of_a_damaged_file_never_end_well() -> None:
    """They may be given out before the checksum is known, so that memory stays bounded; the end then raises."""
    decoder, given_out = Decoder([FILE[:-1] + b"\0"], KEY), []

    with pytest.raises(SldbError, match="file checksum"):
        given_out.extend(decoder.pages())


def test_an_interrupted_source_is_not_the_end_of_the_file() -> None:
    def chunks() -> Iterator[bytes]:
        yield FILE[:150]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        list(Decoder(chunks(), KEY).pages())


# The rules of the header, each with a checksum that agrees


@pytest.mark.parametrize(
    ("offset", "value", "what"),
    [
        (0, b"LTX2", "magic"),
        (0, b"SQLi", "magic"),
        (4, struct.pack(">I", 1), "header flags"),
        (4, struct.pack(">I", 4 | 2), "header flags"),
        (8, struct.pack(">I", 0), "page size"),
        (8, struct.pack(">I", 256), "page size"),
        (8, struct.pack(">I", 513), "page size"),
        (8, struct.pack(">I", 1 << 17), "page size"),
        (16, struct.pack(">QQ", 0, 1), "txids"),
        (16, struct.pack(">QQ", 44, 43), "txids"),
        (12, struct.pack(">I", 2), "page number: got 3, want more than 1, at most 2"),
        (12, struct.pack(">I", 0), "page number"),
    ],
)
def test_a_header_that_breaks_a_rule(offset: int, value: bytes, what: str) -> None:
    assert_corrupt(with_field(offset, value), what)


def test_a_header_with_a_database_checksum_is_litestreams() -> None:
    header, pages = decode(with_field(4, struct.pack(">I", 0)))

    assert (header, pages) == (HEADER, PAGES)


def test_fields_of_the_wal_are_not_ours_to_judge() -> None:
    assert decode(with_field(48, struct.pack(">QQII", 32, 4152, 7, 8))) == (HEADER, PAGES)


def test_a_short_header_says_so() -> None:
    with pytest.raises(SldbError, match="header: got 7 bytes, want 100 bytes"):
        Header.decode(FILE[:7], KEY)


# The rules of frames, each with a checksum that agrees


@pytest.mark.parametrize("pgnos", [(1, 1), (3, 1), (2, 1)])
def test_pages_ascend(pgnos: tuple[int, int]) -> None:
    file = encode_ltx(HEADER, [(Pgno(pgno), page) for pgno, (_, page) in zip(pgnos, PAGES, strict=True)])

    assert_corrupt(file, f"page number: got {pgnos[1]}, want more than {pgnos[0]}, at most 3")


@pytest.mark.parametrize("page_size", sorted(PAGE_SIZES))
def test_the_lock_page_is_never_there(page_size: int) -> None:
    pgno = lock_page(page_size)
    header = replace(HEADER, page_size=page_size, commit=pgno + 1)
    file = encode_ltx(header, [(Pgno(pgno - 1), bytes(page_size)), (Pgno(pgno + 1), bytes(page_size))])
    assert [number for number, _ in decode(file)[1]] == [pgno - 1, pgno + 1]

    assert_corrupt(encode_ltx(header, [(pgno, bytes(page_size))]), "lock page")


@pytest.mark.parametrize(("size", "pages"), [(511, PAGES), (513, PAGES), (1024, PAGES)])
def test_blocks_expand_to_one_page(size: int, pages: object) -> None:
    """An encoder that was given pages of another size than its header says."""
    assert_corrupt(encode_ltx(HEADER, [(Pgno(1), os.urandom(size))]), "page 1|size of page 1")


def test_noise_may_grow_as_much_as_lz4_lets_it() -> None:
    for page_size in PAGE_SIZES:
        header, noise = replace(HEADER, page_size=page_size), os.urandom(page_size)
        assert decode(encode_ltx(header, [(Pgno(1), noise)])) == (header, [(1, noise)])


@pytest.mark.parametrize("size", [0, 512 + 512 // 255 + 17, 0xFFFFFFFF])
def test_a_size_that_no_block_has(size: int) -> None:
    """Refused before anything is read for it: four bytes must not make anybody fetch four gigabytes."""
    file = FILE[:106] + struct.pack(">I", size) + FILE[110:]

    assert_corrupt(file, "size of page 1")


def test_frames_without_a_size_are_not_understood() -> None:
    assert_corrupt(FILE[:104] + b"\0\0" + FILE[106:], "flags of page 1")


def test_the_length_of_the_index() -> None:
    assert_corrupt(sealed(FILE[:-24] + struct.pack(">Q", 8) + FILE[-16:]), "length of the page index: got 8, want 7")
