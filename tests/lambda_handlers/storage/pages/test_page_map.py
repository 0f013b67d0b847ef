"""Page maps: what a map says of a file is what the file says, and what is damaged is noticed."""

from __future__ import annotations

import random
import sqlite3
from array import array
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.pages import page_map_builder
from lambda_handlers.storage.pages.btree import children, is_interior
from lambda_handlers.storage.pages.page_map import GROUP_PAGES, BadPageMap, PageMap
from lambda_handlers.storage.pages.page_map_builder import CARRIED_BYTES, MAX_GROUPS, PageMapBuilder
from lambda_handlers.wire import SldbError

KEY = "main/0009/0000000000000001-0000000000000001.ltx"
SIZE = 512


def ltx_file(pgnos: list[int], commit: int | None = None) -> bytes:
    chance = random.Random(len(pgnos))
    header = Header(SIZE, commit or max(pgnos, default=0), 1, 1, 1_700_000_000_000, node_id=7)
    return encode_ltx(header, [(Pgno(pgno), chance.randbytes(SIZE)) for pgno in pgnos])


def map_of(body: bytes) -> PageMap:
    decoder = Decoder([body], KEY)
    builder = PageMapBuilder(decoder.header)
    for frame in decoder.frames():
        builder.add(frame)
    return builder.build(decoder.length)


files = st.lists(st.integers(1, 400), unique=True, min_size=1, max_size=200).map(sorted)


@given(files)
def test_a_map_survives_the_round_trip(pgnos: list[int]) -> None:
    made = map_of(ltx_file(pgnos))
    assert PageMap.decode(made.encode()) == made
    assert list(made.pages()) == pgnos
    assert made.page_count == len(pgnos)


@given(files, st.data())
def test_any_range_of_groups_gives_its_pages(pgnos: list[int], data: st.DataObject) -> None:
    body = ltx_file(pgnos)
    pages = dict(Decoder([body], KEY).pages())
    made = map_of(body)
    first = data.draw(st.integers(0, made.group_count - 1))
    last = data.draw(st.integers(first, made.group_count - 1))
    start, length = made.span(first, last)
    found = {frame.pgno: frame.page for frame in made.frames(body[start : start + length], first, last, KEY)}
    assert dict(chain.from_iterable(made.page_runs(body[start : start + length], first, last, KEY))) == found
    assert found == {pgno: page for pgno, page in pages.items() if first <= made.group_of(pgno) <= last}
    assert len(found) <= (last - first + 1) * GROUP_PAGES


@given(files, st.data())
def test_a_flipped_bit_in_a_range_is_noticed(pgnos: list[int], data: st.DataObject) -> None:
    body = ltx_file(pgnos)
    made = map_of(body)
    start, length = made.span(0, made.group_count - 1)
    damaged = bytearray(body[start : start + length])
    position = data.draw(st.integers(0, length - 1))
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SldbError, match="checksum") as caught:
        list(made.frames(bytes(damaged), 0, made.group_count - 1, KEY))
    with pytest.raises(SldbError, match="checksum"):
        list(made.page_runs(bytes(damaged), 0, made.group_count - 1, KEY))
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", KEY)


def test_a_range_that_comes_back_too_short_is_noticed() -> None:
    body = ltx_file(list(range(1, 50)))
    made = map_of(body)
    start, length = made.span(0, 1)
    with pytest.raises(SldbError, match="bytes"):
        list(made.frames(body[start : start + length - 1], 0, 1, KEY))


@given(files, st.data())
def test_a_damaged_map_is_none(pgnos: list[int], data: st.DataObject) -> None:
    """Cut off or with one bit flipped anywhere: it does not decode, and nobody relies on it."""
    encoded = map_of(ltx_file(pgnos)).encode()
    with pytest.raises(BadPageMap):
        PageMap.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    damaged = bytearray(encoded)
    damaged[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BadPageMap):
        PageMap.decode(bytes(damaged))


@given(files)
def test_a_map_without_checksums_is_none(pgnos: list[int]) -> None:
    """Nothing would cover the pages that it says where to find."""
    made = map_of(ltx_file(pgnos))
    for checksums in (array("I"), made.checksums[:-1], array("I", [*made.checksums, 0])):
        with pytest.raises(BadPageMap, match="checksums"):
            PageMap.decode(replace(made, checksums=checksums).encode())


@pytest.mark.parametrize("body", [b"", b"SLPM", b"not a page map at all, but something else" * 9])
def test_what_is_no_map_at_all(body: bytes) -> None:
    with pytest.raises(BadPageMap):
        PageMap.decode(body)


def test_a_huge_file_has_no_more_groups_than_any_other() -> None:
    """A map stays small: groups grow with the database instead of becoming more."""
    commit = 3 * GROUP_PAGES * MAX_GROUPS
    builder = PageMapBuilder(Header(SIZE, commit, 1, 1, 0))
    page = bytes(SIZE)
    frame = ltx.compressed(Pgno(1), page)
    encoded = frame.encode()
    for pgno in range(1, commit + 1, 50):  # a sample, as if every page were there
        builder.add(ltx.Frame(Pgno(pgno), page, frame.block), encoded)
    assert builder._group_pages == 3 * GROUP_PAGES
    assert len(builder.build(0).encode()) < 400_000


def database_pages(path: Path, rows: int) -> list[bytes]:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA page_size = 512")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body)")
    connection.execute("CREATE INDEX by_body ON t (body)")
    connection.executemany("INSERT INTO t (body) VALUES (?)", ((f"row number {n:09d}",) for n in range(rows)))
    connection.commit()
    connection.close()
    data = path.read_bytes()
    return [data[at : at + 512] for at in range(0, len(data), 512)]


def test_the_upper_pages_of_the_trees_are_carried(tmp_path: Path) -> None:
    """Every page that points to others, and the schema: a point read goes straight to the leaf."""
    pages = database_pages(tmp_path / "a.db", 5000)
    header = Header(512, len(pages), 1, 1, 0)
    made = map_of(encode_ltx(header, [(Pgno(n), page) for n, page in enumerate(pages, start=1)]))
    interior = {n for n, page in enumerate(pages, start=1) if is_interior(page, Pgno(n))}
    assert len(interior) > 20
    assert {pgno for pgno, _ in made.carried} == interior | {1}
    assert all(page == pages[pgno - 1] for pgno, page in made.carried)


def test_what_does_not_fit_is_the_lowest_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = database_pages(tmp_path / "a.db", 5000)
    monkeypatch.setattr(page_map_builder, "CARRIED_BYTES", 3000)
    header = Header(512, len(pages), 1, 1, 0)
    made = map_of(encode_ltx(header, [(Pgno(n), page) for n, page in enumerate(pages, start=1)]))
    carried = {pgno for pgno, _ in made.carried}
    roots = {2, 3}  # of the table and its index
    assert {1, *roots} <= carried
    assert len(carried) < sum(is_interior(page, Pgno(n)) for n, page in enumerate(pages, start=1))
    assert CARRIED_BYTES > 3000


def test_children_are_those_of_sqlite(tmp_path: Path) -> None:
    """Every page of a tree is the child of exactly one other, but for the roots."""
    pages = database_pages(tmp_path / "a.db", 3000)
    found = [child for n, page in enumerate(pages, start=1) for child in children(page, Pgno(n))]
    assert sorted(found) == [n for n in range(1, len(pages) + 1) if n not in (1, 2, 3)]
    assert list(children(bytes(512), Pgno(2))) == []
