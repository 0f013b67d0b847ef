"""A file is what its key and a LIST say, and a copy of it is the same file, or it is said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lambda_handlers.storage import verification
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.verification import verify
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.stores.memory import memory_store

NAME = transaction(7)
KEY = NAME.key("main")


@pytest.fixture(params=["memory", "directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return memory_store()
    return DirectoryStore(tmp_path) if request.param == "directory" else request.getfixturevalue("s3_store")


def body_of(pages: int, name: LtxName = NAME) -> bytes:
    chance = random.Random(pages)
    header = Header(512, pages, name.min_txid, name.max_txid, 1_790_000_000_000, node_id=5)
    return encode_ltx(header, ((Pgno(number), chance.randbytes(512)) for number in range(1, pages + 1)))


@pytest.mark.parametrize("range_bytes", [6 << 20, 1 << 30])
def test_a_copy_inside_the_store_is_proved_by_its_tag_or_read_back(request, store, monkeypatch, range_bytes) -> None:
    monkeypatch.setattr(verification, "RANGE_BYTES", range_bytes)
    body = body_of(15_000)
    store.create(KEY, body)
    proof = verify(store, "main", NAME, len(body))
    ranges = proof.ranges(KEY)
    assert len(ranges) == len(proof.digests) == -(-len(body) // range_bytes)
    tag = store.assemble("copies/copy", ranges)
    [info] = store.list_objects("copies/")
    tells = "[s3" in request.node.name
    assert proof.has_tag(tag) is tells
    assert proof.has_tag(info.etag) is tells
    assert proof.is_same(store.chunks("copies/copy"))
    assert not proof.is_same((body[:-1],))
    assert not proof.is_same((body[:-1], b"x"))
    assert proof.page_map is not None
    assert proof.page_map.is_whole


def test_what_was_sent_is_proved_by_its_tag(request, store) -> None:
    body = body_of(3)
    store.create(KEY, body)
    proof = verify(store, "main", NAME, len(body), keeps_body=True)
    assert proof.body == body
    assert proof.page_map is None
    tells = "[memory" not in request.node.name
    assert proof.has_tag(store.create("copy", body)) is tells
    assert not proof.has_tag(store.create("other", body + b"x"))
    assert not proof.has_tag("")


@pytest.mark.parametrize("bit", [*range(0, 8 * 100, 37), *range(8 * 100, 8 * 700, 211)])
def test_each_flipped_bit_is_seen(bit) -> None:
    store, body = memory_store(), bytearray(body_of(1))
    body[(bit // 8) % len(body)] ^= 1 << bit % 8
    store.create(KEY, bytes(body))
    with pytest.raises(SldbError) as caught:
        verify(store, "main", NAME, len(body))
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", KEY)


def test_another_length_or_another_name_is_seen() -> None:
    store, body = memory_store(), body_of(1)
    store.create(KEY, body)
    store.create(transaction(8).key("main"), body)
    for name, size in ((NAME, len(body) + 1), (NAME, len(body) - 1), (transaction(8), len(body))):
        with pytest.raises(SldbError) as caught:
            verify(store, "main", name, size)
        assert caught.value.code == "corrupt"
    store.put(KEY, body + b"\0")
    with pytest.raises(SldbError):
        verify(store, "main", NAME, len(body) + 1)
