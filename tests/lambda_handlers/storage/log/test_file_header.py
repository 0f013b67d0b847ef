"""What a header says is believed only where a checksum covers it: it tells of history, of the transaction `at` a time,
and whether a push that is sent again was applied."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.storage.log import file_header, timeline
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.ltx import HEADER_BYTES, Header, Marks, Pgno
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.log.ltx_index import decode_index
from lambda_handlers.wire import SldbError
from tests.fakes.immediate_call import ImmediateCall
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store

KEY = transaction(7).key("main")
HEADER = Header(512, 4000, 7, 7, 1_700_000_000_123, node_id=0x0102030405060708)
OURS = Header(512, 4000, 7, 7, 1_700_000_000_123, node_id=0x0102030405060708, has_checksum=True)


def file(header: Header, pages: int) -> bytes:
    chance = Random(4)
    return encode_ltx(header, [(Pgno(number), chance.randbytes(512)) for number in range(1, pages + 1)])


SMALL, MIDDLE, LARGE = 3, 100, 3000  # pages: of 1.6 KB, 53 KB, 1.6 MB


def flipped(body: bytes, bit: int) -> bytes:
    result = bytearray(body)
    result[bit // 8] ^= 1 << bit % 8
    return bytes(result)


def read(store: FaultyStore, size: int | None = None) -> Header | str:
    try:
        return file_header.read(store, KEY, size)
    except SldbError as error:
        return error.code if error.details["key"] == KEY else "of another key"


def test_the_bytes_of_a_header_with_a_checksum() -> None:
    plain, checked = HEADER.encode(), OURS.encode()
    assert len(plain) == len(checked) == HEADER_BYTES
    assert plain[80:] == bytes(20)
    assert checked[:92] == plain[:92]
    assert checked[92:] == b"HCRC" + zlib.crc32(checked[:96]).to_bytes(4, "big")
    assert (Header.decode(plain, KEY).has_checksum, Header.decode(checked, KEY).has_checksum) == (False, True)
    assert Header.decode(plain, KEY) == Header.decode(checked, KEY) == HEADER


@pytest.mark.parametrize("pages", [SMALL, MIDDLE, LARGE])
@pytest.mark.parametrize("knows_size", [False, True])
@pytest.mark.parametrize("header", [OURS, HEADER])
def test_a_flipped_bit_where_it_lies(pages: int, knows_size: bool, header: Header) -> None:
    """Only of a large file that has no checksum in its header, damage is not seen by the header alone."""
    store, body = FaultyStore(memory_store()), file(header, pages)
    size = len(body) if knows_size else None
    store.create(KEY, body)
    assert read(store, size) == HEADER
    if header is HEADER and pages == LARGE:
        return
    for bit in range(0, 800, 7):
        store.put(KEY, flipped(body, bit))
        assert read(store, size) in ("corrupt", HEADER), f"bit {bit}"


@pytest.mark.parametrize("pages", [SMALL, MIDDLE, LARGE])
@pytest.mark.parametrize("header", [OURS, HEADER])
def test_a_bit_that_flips_on_the_way(pages: int, header: Header) -> None:
    store, body = FaultyStore(memory_store()), file(header, pages)
    store.create(KEY, body)
    for bit in range(0, 800, 7):

        def damage(_key: str, act: Callable[[], Any], bit: int = bit) -> Any:
            return flipped(act(), bit)

        for verb in ("get_range", "get"):
            store.plan(verb, damage)
        assert read(store) == HEADER, f"bit {bit}"
        store.forget_plans()


def test_a_large_file_of_ours_takes_one_request_for_its_header() -> None:
    store = FaultyStore(memory_store())
    store.create(KEY, file(OURS, LARGE))
    store.calls.clear()
    assert read(store) == HEADER
    assert store.calls == [("get_range", KEY)]


def test_a_flipped_bit_never_moves_a_moment() -> None:
    store = FaultyStore(memory_store())
    for txid in range(1, 20):
        header = Header(512, 1, txid, txid, txid * 1000, has_checksum=txid % 2 == 0)
        store.create(transaction(txid).key("main"), encode_ltx(header, [(Pgno(1), bytes(512))]))
    chance = Random(6)

    def damage(_key: str, act: Callable[[], Any]) -> Any:
        body = act()
        return flipped(body, chance.randrange(8 * min(len(body), HEADER_BYTES)))

    for moment_ms in range(500, 20_000, 333):
        store.plan("get", damage)
        assert timeline.find(store, Host(start=ImmediateCall), "main", moment_ms).txid == moment_ms // 1000
        store.forget_plans()


def test_a_damaged_index_never_counts_wrong() -> None:
    body = file(HEADER, MIDDLE)
    index_bytes = int.from_bytes(body[-24:-16], "big")
    tail = body[-24 - index_bytes :]
    assert len(list(decode_index(tail, KEY))) == MIDDLE
    for bit in range(8 * (len(tail) - 24 + 8)):
        assert counted(flipped(tail, bit)) in (MIDDLE, "corrupt"), f"bit {bit}"


def counted(tail: bytes) -> int | str:
    try:
        return len(list(decode_index(tail, KEY)))
    except SldbError as error:
        return error.code


def test_marks_are_trusted_only_under_the_checksum_of_the_header() -> None:
    marked = Header(512, 1, 7, 7, 1000, 5, has_checksum=True, marks=Marks(restored=3, note_page=9))
    assert Header.decode(marked.encode(), "k") == marked
    assert replace(marked, has_checksum=False).encode() == Header(512, 1, 7, 7, 1000, 5).encode()
    of_others = bytearray(Header(512, 1, 7, 7, 1000, 5).encode())
    of_others[80:92] = bytes(range(1, 13))
    assert Header.decode(bytes(of_others), "k").marks == Marks()
