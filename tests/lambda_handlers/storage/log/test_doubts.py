"""Doubts: which names of a LIST must be looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import doubts
from lambda_handlers.storage.log.keys import database_names, doubt_key, doubts_complete_key, parse_doubt_key
from lambda_handlers.store.protocol import Unavailable
from lambda_handlers.wire import DATABASE_NAME
from tests.fakes.stores.faulty import FaultyStore, blame_own, clash, lose_answer, lose_request
from tests.fakes.stores.memory import memory_store

NAMES = st.from_regex(DATABASE_NAME, fullmatch=True)


@given(there=st.sets(NAMES, max_size=5), doubted=st.sets(NAMES, max_size=5), is_complete=st.booleans())
def test_one_list_shows_the_names_and_their_doubts(there: set[str], doubted: set[str], is_complete: bool) -> None:
    store = memory_store()
    for name in there:
        store.put(f"{name}/0000/x", b"")
    for name in doubted:
        for txid in (0, 7, 7):
            doubts.put(store, name, txid)
    if is_complete:
        doubts.put_complete(store)
    directories = store.list_directories("")
    names = database_names(directories)
    assert set(names) == there
    assert set(doubts.doubtful(names, directories)) == (there & doubted if is_complete else there)


@given(name=NAMES, txid=st.integers(0, (1 << 64) - 1))
def test_a_key_is_that_of_its_database(name: str, txid: int) -> None:
    assert parse_doubt_key(doubt_key(name, txid)) == (name, txid)


@pytest.mark.parametrize(
    "key", [doubts_complete_key(), "_doubt-/0000000000000001", "_doubt-a/1", "_doubt-A/" + "0" * 16]
)
def test_no_other_key_is_a_doubt(key: str) -> None:
    assert parse_doubt_key(key) is None


def test_a_lost_answer_is_resolved_and_a_lost_request_is_an_error() -> None:
    store = FaultyStore(memory_store())
    store.plan("create", lose_answer, lose_request)
    doubts.put(store, "a", 1)
    with pytest.raises(Unavailable):
        doubts.put(store, "a", 2)


def test_a_refusal_is_no_proof_that_the_doubt_is_there() -> None:
    """Otherwise a database would be dropped, and listed until the next sweep."""
    store = FaultyStore(memory_store())
    store.plan("create", clash, blame_own)
    with pytest.raises(Unavailable):
        doubts.put(store, "a", 1)
    assert store.list_directories("") == []
    doubts.put(store, "a", 1)
    assert store.size(doubt_key("a", 1)) == 0
