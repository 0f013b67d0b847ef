"""The object that holds the page maps of a chain."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log.keys import LtxName, atlas_key, parse_ltx_key, parse_page_map_key
from lambda_handlers.storage.pages import atlas
from tests.fakes.stores.memory import memory_store

TXIDS = st.integers(1, (1 << 64) - 1)
NAMES = st.builds(LtxName, st.integers(0, 9), TXIDS, TXIDS)
MAPS = st.dictionaries(NAMES, st.binary(max_size=50), max_size=5)


@given(MAPS)
def test_what_is_in_it_comes_out(maps: dict[LtxName, bytes]) -> None:
    assert atlas.decode(atlas.encode(maps, "main"), "main") == maps


@given(MAPS, st.integers(0, 400), st.integers(1, 255))
def test_of_a_damaged_one_nothing_is_believed(maps: dict[LtxName, bytes], at: int, bits: int) -> None:
    """A name with a bit flipped may be another file's, and then pages would be looked for where they are not."""
    data = bytearray(atlas.encode(maps, "main"))
    data[at % len(data)] ^= bits
    assert atlas.decode(bytes(data), "main") == {}
    assert atlas.decode(bytes(data[: at % len(data)]), "main") == {}


@given(st.binary(max_size=200))
def test_rubbish_is_no_atlas(data: bytes) -> None:
    assert atlas.decode(data, "main") == atlas.decode(b"SLA2" + data, "main") == {}


def test_there_need_be_none() -> None:
    store = memory_store()
    assert atlas.read(store, "main") == {}
    atlas.put(store, "main", atlas.encode({LtxName(9, 1, 2): b"map"}, "main"))
    assert atlas.read(store, "main") == {LtxName(9, 1, 2): b"map"}
    assert atlas.read(store, "other") == {}


def test_its_key_is_no_file_of_the_log() -> None:
    key = atlas_key("main")
    assert parse_ltx_key("main", key) is parse_page_map_key("main", key) is None
