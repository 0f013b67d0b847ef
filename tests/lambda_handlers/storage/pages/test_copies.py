"""Copies in a head: which it takes, and that none is believed that does not fit its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log.keys import LtxName, head_key, transaction
from lambda_handlers.storage.pages.copies import MAX_COPIES_BYTES, MAX_COPY_BYTES, Copies, chosen
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.publishing import HEAD_EVERY
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.memory import memory_store

SIZES = st.integers(0, MAX_COPY_BYTES)


def file(txid: int, size: int, in_atlas: bool = False) -> HeadFile:
    return HeadFile(transaction(txid), size, is_mapped=size > MAX_COPY_BYTES, in_atlas=in_atlas)


@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=12))
def test_the_smallest_that_fit_are_taken_and_none_that_the_atlas_has(sizes: list[tuple[int, bool]]) -> None:
    files = [file(txid, size, in_atlas) for txid, (size, in_atlas) in enumerate(sizes, start=1)]
    taken = chosen(files, {each.name: bytes(each.size) for each in files})
    left = [each.size for each in files if each.name not in taken and not each.in_atlas]
    assert sum(map(len, taken.values())) <= MAX_COPIES_BYTES
    assert not any(each.in_atlas for each in files if each.name in taken)
    assert not left or sum(map(len, taken.values())) + min(left) > MAX_COPIES_BYTES
    assert max(map(len, taken.values()), default=0) <= min(left, default=MAX_COPY_BYTES)


def test_a_small_chain_needs_no_page_maps() -> None:
    large, huge = file(1, 500_000), file(2, 5_000_000)
    maps = {transaction(1): b"map", transaction(2): b"map"}
    assert chosen([large], maps) == {}
    assert chosen([large, huge], maps) == maps


@given(st.lists(st.tuples(st.integers(1, 30), SIZES), max_size=60))
def test_what_is_kept_for_the_next_head_is_limited(noted: list[tuple[int, int]]) -> None:
    copies, newest = Copies(), {}
    for txid, size in noted:
        copies.note(transaction(txid), bytes(size))
        newest[transaction(txid)] = size
    kept = copies._bodies
    assert copies._size == sum(map(len, kept.values())) <= 1 << 20
    assert all(len(body) == newest[name] for name, body in kept.items())
    copies.note(transaction(99), None)
    copies.note(transaction(99), bytes(MAX_COPY_BYTES + 1))
    assert transaction(99) not in copies._bodies


def test_a_head_carries_them(tmp_path: Path) -> None:
    head = Head(2, 1.5, 0, (file(1, 5), file(2, 3)), {transaction(2): b"\x00\xff?"})
    assert Head.decode(head.encode("main"), "main") == head
    assert Head.decode(head.encode("main"), "other") is None


def other(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


@pytest.mark.parametrize(
    "spoil",
    [other, lambda body: body[:-1], lambda body: body + b"?", lambda _body: b""],
    ids=["damaged", "shorter", "longer", "empty"],
)
def test_a_copy_that_does_not_fit_serves_nothing_wrong(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    store = memory_store()
    writer = Engine(store, tmp_path)
    writer.write("CREATE TABLE t (x)")
    for number in range(HEAD_EVERY):
        writer.write(f"INSERT INTO t VALUES ({number})")
    head = Head.decode(store.get(head_key("main")), "main")
    assert head is not None
    assert head.copies.keys() == {transaction(txid) for txid in range(1, HEAD_EVERY + 1)}
    for name, body in head.copies.items():
        store.put(head_key("main"), replace(head, copies={**head.copies, name: spoil(body)}).encode("main"))
        reader = Engine(store, tmp_path)
        reader.replica.refresh()
        assert reader.rows("SELECT x FROM t") == [(number,) for number in range(HEAD_EVERY)]
        reader.close()
    writer.close()


def test_a_copy_of_another_length_is_left_aside(tmp_path: Path) -> None:
    """Its file is read in its place; the copy of another database's file with that name may be as sound."""
    store = memory_store()
    writer = Engine(store, tmp_path)
    writer.write("CREATE TABLE t (x)", "CREATE TABLE u (x)", "INSERT INTO t VALUES (randomblob(100))")
    longer = Engine(store, tmp_path, database="longer")
    longer.write("CREATE TABLE t (x)", "CREATE TABLE u (x)", "INSERT INTO t VALUES (randomblob(3000))")
    for _ in range(HEAD_EVERY - 1):
        writer.write("INSERT INTO u VALUES (1)")
    head = Head.decode(store.get(head_key("main")), "main")
    assert head is not None
    name = LtxName(0, 1, 1)
    copies = {**head.copies, name: store.get(name.key("longer"))}
    store.put(head_key("main"), replace(head, copies=copies).encode("main"))
    reader = Engine(store, tmp_path)
    reader.replica.refresh()
    assert reader.rows("SELECT length(x) FROM t LIMIT 1") == [(100,)]
    for engine in (writer, longer, reader):
        engine.close()
